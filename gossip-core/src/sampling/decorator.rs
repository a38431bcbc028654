//! What samplers that wrap another sampler hand on to it.
//!
//! Not a protocol: a macro.

/// Implements [`Protocol`](crate::Protocol), [`Profiles`](crate::Profiles) and `Deref` for a type
/// with a field `inner`, and gives it a method `with` that lets the inner sampler act.
macro_rules! decorates {
    ($Type:ident<$S:ident $(, const $R:ident: usize)?>) => {
        impl<$S: Protocol $(, const $R: usize)?> $Type<$S $(, $R)?> {
            /// The sampler, to prepare it.
            pub const fn inner_mut(&mut self) -> &mut $S {
                &mut self.inner
            }

            /// Lets the sampler act, and passes its events on.
            fn with<C: Context<Self>, T>(
                &mut self,
                cx: &mut C,
                act: impl FnOnce(&mut $S, &mut crate::context::Tap<'_, Self, C, $S::Event>) -> T,
            ) -> T {
                let mut heard = alloc::vec::Vec::new();
                let result = act(&mut self.inner, &mut crate::context::Tap::new(cx, &mut heard));
                for event in heard {
                    cx.emit(event);
                }
                result
            }
        }

        impl<$S: Protocol $(, const $R: usize)?> Protocol for $Type<$S $(, $R)?> {
            type Id = $S::Id;
            type Message = $S::Message;
            type Event = $S::Event;
            type Command = $S::Command;

            fn wake_at(&self) -> crate::time::Time {
                self.inner.wake_at()
            }

            fn version(&self) -> u64 {
                self.inner.version()
            }
        }

        impl<$S: Protocol + Profiles $(, const $R: usize)?> Profiles for $Type<$S $(, $R)?> {
            type Profile = $S::Profile;

            fn for_each_profile(&self, visit: impl FnMut(Self::Id, &Self::Profile)) {
                self.inner.for_each_profile(visit);
            }
        }

        impl<$S: Protocol $(, const $R: usize)?> core::ops::Deref for $Type<$S $(, $R)?> {
            type Target = $S;

            fn deref(&self) -> &$S {
                &self.inner
            }
        }
    };
}

/// The handlers of [`Layer`](crate::Layer) over `D` of a type that [`decorates!`] an `S`, but for
/// `on_round` and `on_contact`: they hand on.
macro_rules! hands_on {
    ($S:ident, $D:ident) => {
        fn on_message(
            &mut self,
            below: &$D,
            from: <$S as Protocol>::Id,
            message: Self::Message,
            cx: &mut impl Context<Self>,
        ) {
            self.with(cx, |inner, cx| inner.on_message(below, from, message, cx));
        }

        fn on_wake(&mut self, below: &$D, cx: &mut impl Context<Self>) {
            self.with(cx, |inner, cx| inner.on_wake(below, cx));
        }

        fn on_change(&mut self, below: &$D, cx: &mut impl Context<Self>) {
            self.with(cx, |inner, cx| inner.on_change(below, cx));
        }

        fn on_unreachable(
            &mut self,
            below: &$D,
            peer: <$S as Protocol>::Id,
            cx: &mut impl Context<Self>,
        ) {
            self.with(cx, |inner, cx| inner.on_unreachable(below, peer, cx));
        }

        fn on_leave(&mut self, below: &$D, cx: &mut impl Context<Self>) {
            self.with(cx, |inner, cx| inner.on_leave(below, cx));
        }

        fn on_command(
            &mut self,
            below: &$D,
            command: Self::Command,
            cx: &mut impl Context<Self>,
        ) -> Result<crate::protocol::Receipt, crate::protocol::Refusal> {
            self.with(cx, |inner, cx| inner.on_command(below, command, cx))
        }

        fn on_spare(&mut self, below: &$D, to: <$S as Protocol>::Id, cx: &mut impl Context<Self>) {
            self.with(cx, |inner, cx| inner.on_spare(below, to, cx));
        }
    };
}

pub(super) use {decorates, hands_on};
