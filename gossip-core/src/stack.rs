//! `stack!`: one line a layer.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::random::mix;
use crate::wire::{DecodeError, Wire};

/// Bytes a frame adds before its message: two of tag, and the length's varint, which takes at most
/// two in a datagram.
pub const FRAME_OVERHEAD: usize = 4;

/// The tag of the layer called `name`.
///
/// ```
/// assert_ne!(gossip_core::stack::tag("peers"), gossip_core::stack::tag("ring"));
/// ```
pub const fn tag(name: &str) -> u16 {
    let digest = crate::id::hash(name.as_bytes());
    (digest ^ (digest >> 16) ^ (digest >> 32) ^ (digest >> 48)) as u16
}

/// Whether no two of `tags` are the same.
#[doc(hidden)]
pub const fn distinct(tags: &[u16]) -> bool {
    let mut i = 0;
    while i < tags.len() {
        let mut j = i + 1;
        while j < tags.len() {
            if tags[i] == tags[j] {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

/// Writes a frame: tag, length, message.
#[doc(hidden)]
#[inline]
pub fn encode_frame<M: Wire>(tag: u16, message: &M, out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.to_le_bytes());
    let mut left = message.encoded_len();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    message.encode(out);
}

/// The length of a frame around a message of `len` bytes.
#[doc(hidden)]
pub const fn frame_len(len: usize) -> usize {
    let mut varint = 1;
    let mut left = len >> 7;
    while left > 0 {
        varint += 1;
        left >>= 7;
    }
    2 + varint + len
}

/// Reads a frame's tag and body, and moves `input` past it.
#[doc(hidden)]
#[inline]
pub fn open_frame<'a>(input: &mut &'a [u8]) -> Result<(u16, &'a [u8]), DecodeError> {
    let low = u8::decode(input)?;
    let high = u8::decode(input)?;
    let len = u32::decode(input)? as usize;
    let (body, rest) = input.split_at_checked(len).ok_or(DecodeError::End)?;
    *input = rest;
    Ok((u16::from_le_bytes([low, high]), body))
}

/// The body of a frame.
#[doc(hidden)]
pub fn encoded<M: Wire>(message: &M) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.encoded_len());
    message.encode(&mut body);
    body
}

/// A frame as serde sees it: two bytes of tag, then the body as bytes. The same encoding as
/// [`encode_frame`]'s.
#[doc(hidden)]
pub fn serialize_frame<S: Serializer>(tag: u16, body: &[u8], to: S) -> Result<S::Ok, S::Error> {
    (tag.to_le_bytes(), Body(body)).serialize(to)
}

/// Reads what [`serialize_frame`] wrote.
#[doc(hidden)]
pub fn deserialize_frame<'de, D: Deserializer<'de>>(from: D) -> Result<(u16, &'de [u8]), D::Error> {
    let (tag, body) = <([u8; 2], &'de [u8])>::deserialize(from)?;
    Ok((u16::from_le_bytes(tag), body))
}

/// Bytes that serialise as bytes, not as a sequence.
struct Body<'a>(&'a [u8]);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// Folds a layer's tag and shape into its stack's.
#[doc(hidden)]
pub const fn shape_with(shape: u32, tag: u16, layer: u32) -> u32 {
    // A sum, so that the order of declaration does not matter.
    shape.wrapping_add(mix(((tag as u64) << 32) | layer as u64) as u32)
}

/// Declares a stack: a struct of layers, and how each reads the others.
///
/// One line a layer: a name, a type, and what it reads. `#[uses(a, b)]` names the layers it reads
/// (several are passed as a tuple of references); cycles are allowed, since reading is a borrow of
/// a sibling field. `#[every(n)]` runs its round every n-th round. `#[tag(n)]` fixes its frame
/// tag, which otherwise comes from its name, never from its position.
///
/// The macro writes the struct with named public fields and `new`, its frames, events and commands
/// as enums with one variant a layer, their wire code, and `impl Protocol` and `impl Layer`: a
/// stack is itself a protocol, and may be a layer of another stack.
///
/// ```
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::{PeerId, stack};
///
/// stack! {
///     /// Two samplers side by side, the second running at half the pace.
///     #[derive(Clone, Debug)]
///     pub struct Pair<I: PeerId> {
///         one: Cyclon<I, 20>,
///         #[every(2)]
///         two: Cyclon<I, 10>,
///     }
/// }
///
/// let pair = Pair::<u32>::new(Cyclon::new(Default::default())?, Cyclon::new(Default::default())?);
/// assert_eq!(pair.one.view(0).len(), 0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
///
/// A stack may stand over layers that it does not own, which it names `below`:
///
/// ```
/// # use gossip_core::sampling::Cyclon;
/// use gossip_core::{Peers, PeerId, Protocol, stack};
/// # use gossip_core::{Context, Layer, Local, Nothing};
/// # #[derive(Debug)] pub struct Ping<I>(core::marker::PhantomData<fn() -> I>);
/// # impl<I: PeerId> Protocol for Ping<I> {
/// #     type Id = I; type Message = u8; type Event = Nothing; type Command = Nothing;
/// # }
/// # impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Ping<I> {
/// #     fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
/// #         if let Some(to) = below.sample(cx.rng()) { cx.send(to, 1) }
/// #     }
/// #     fn on_message(&mut self, _: &D, _: I, _: u8, _: &mut impl Context<Self>) {}
/// # }
/// stack! {
///     /// An application over whatever membership the platform offers.
///     #[derive(Debug)]
///     pub struct App<I: PeerId> over D: Peers<Id = I> {
///         #[uses(below)]
///         ping: Ping<I>,
///     }
/// }
///
/// stack! {
///     /// Two applications share one membership.
///     #[derive(Debug)]
///     pub struct Platform<I: PeerId> {
///         peers: Cyclon<I, 20>,
///         #[uses(peers)]
///         red: App<I>,
///         #[uses(peers)]
///         blue: App<I>,
///     }
/// }
/// ```
///
/// Two layers whose tags clash, or a stack whose longest frame exceeds a datagram, do not compile.
#[macro_export]
macro_rules! stack {
    // A stack that owns all it reads.
    (
        $(#[$meta:meta])*
        $vis:vis struct $S:ident<$I:ident: $bound:path> { $($body:tt)* }
    ) => {
        $crate::stack! { @parse [$(#[$meta])*] [$vis] $S $I [$bound] [] [()] $($body)* }
    };
    // A stack over layers it does not own.
    (
        $(#[$meta:meta])*
        $vis:vis struct $S:ident<$I:ident: $bound:path> over
            $D:ident: $first:ident $(:: $rest:ident)* $(<$($assoc:ident = $ty:ty),* $(,)?>)?
            $(+ $more:path)* { $($body:tt)* }
    ) => {
        $crate::stack! {
            @parse [$(#[$meta])*] [$vis] $S $I [$bound]
            [$D: $first $(:: $rest)* $(<$($assoc = $ty),*>)? $(+ $more)*] [$D] $($body)*
        }
    };
    (
        @parse [$($meta:tt)*] [$vis:vis] $S:ident $I:ident [$bound:path] [$($below:tt)*] [$B:ty]
        $(
            $(#[doc = $doc:expr])*
            $(#[uses($($dep:ident),+ $(,)?)])?
            $(#[every($every:literal)])?
            $(#[tag($tag:literal)])?
            $layer:ident : $L:ty
        ),+ $(,)?
    ) => {
        $($meta)*
        $vis struct $S<$I: $bound> {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\nThe layer `", stringify!($layer), "`.")]
                pub $layer: $L,
            )+
            /// Calls each layer has had: part of its randomness.
            calls: [u32; 0 $(+ { let $layer = 1; $layer })+],
        }

        const _: () = {
            #[allow(non_camel_case_types, reason = "variants bear their layers' names")]
            #[allow(unreachable_pub, clippy::large_enum_variant, reason = "as the layers make it")]
            #[derive(Clone, Debug)]
            #[doc = concat!("What travels between two `", stringify!($S), "`.")]
            pub enum Frame<$I: $bound> {
                $(
                    #[doc = concat!("A message of the layer `", stringify!($layer), "`.")]
                    $layer(<$L as $crate::Protocol>::Message),
                )+
            }

            #[allow(non_camel_case_types, reason = "variants bear their layers' names")]
            #[allow(unreachable_pub, clippy::large_enum_variant, reason = "as the layers make it")]
            #[derive(Clone, Debug)]
            #[doc = concat!("What a `", stringify!($S), "` tells its owner.")]
            pub enum Event<$I: $bound> {
                $(
                    #[doc = concat!("An event of the layer `", stringify!($layer), "`.")]
                    $layer(<$L as $crate::Protocol>::Event),
                )+
            }

            #[allow(non_camel_case_types, reason = "variants bear their layers' names")]
            #[allow(unreachable_pub, clippy::large_enum_variant, reason = "as the layers make it")]
            #[derive(Clone, Debug)]
            #[doc = concat!("What may be asked of a `", stringify!($S), "`.")]
            pub enum Command<$I: $bound> {
                $(
                    #[doc = concat!("A command for the layer `", stringify!($layer), "`.")]
                    $layer(<$L as $crate::Protocol>::Command),
                )+
            }

            #[allow(non_upper_case_globals, reason = "constants bear their layers' names")]
            mod tags {
                $(pub(super) const $layer: u16 = $crate::stack!(@tag $layer $($tag)?);)+
            }
            const TAGS: &[u16] = &[$(tags::$layer),+];
            const LAYERS: usize = TAGS.len();
            const _: () = assert!(
                $crate::stack::distinct(TAGS),
                "two layers of this stack share a frame tag: rename one, or give it #[tag(n)]"
            );

            $crate::stack! { @wire Frame $I [$bound] Message $($layer [$L])+ }
            $crate::stack! { @wire Command $I [$bound] Command $($layer [$L])+ }

            /// The layers' versions at one moment.
            #[derive(Clone, Copy, PartialEq)]
            struct Marks { $($layer: u64),+ }

            /// The layers' places in `calls`.
            #[allow(non_camel_case_types, clippy::enum_variant_names, reason = "layers' names")]
            enum Slot { $($layer),+ }

            impl<$I: $bound> $S<$I> {
                /// The stack of these layers, in the order of their declaration.
                #[allow(clippy::too_many_arguments, reason = "one a layer")]
                #[allow(unreachable_pub, reason = "as public as the stack")]
                pub fn new($($layer: $L),+) -> Self {
                    Self { $($layer,)+ calls: [0; LAYERS] }
                }

                #[inline]
                fn marks(&self) -> Marks {
                    Marks { $($layer: $crate::Protocol::version(&self.$layer)),+ }
                }

                /// Tells the layers whose reads have moved since `was`, then those that these move
                /// in turn. A cycle of uses ends after as many passes as there are layers.
                #[inline]
                #[allow(unused_variables, reason = "a stack of one layer reads nothing")]
                fn settle<$($below)*>(
                    &mut self,
                    mut was: Marks,
                    mut moved_below: bool,
                    below: &$B,
                    cx: &mut impl $crate::Context<Self>,
                ) {
                    for _ in 0..=LAYERS {
                        let is = self.marks();
                        if is == was && !moved_below {
                            break;
                        }
                        $(
                            if $crate::stack!(@moved was is moved_below $($($dep)+)?) {
                                $crate::stack!(
                                    @call self below cx $layer ($($($dep)+)?) on_change()
                                );
                            }
                        )+
                        was = is;
                        moved_below = false;
                    }
                }
            }

            impl<$I: $bound> $crate::Protocol for $S<$I> {
                type Id = $I;
                type Message = Frame<$I>;
                type Event = Event<$I>;
                type Command = Command<$I>;

                #[inline]
                fn wake_at(&self) -> $crate::Time {
                    let mut at = $crate::Time::NEVER;
                    $(at = at.min($crate::Protocol::wake_at(&self.$layer));)+
                    at
                }

                #[inline]
                fn version(&self) -> u64 {
                    let mut sum = 0_u64;
                    $(sum = sum.wrapping_add($crate::Protocol::version(&self.$layer));)+
                    sum
                }
            }

            #[allow(unused_variables, reason = "a stack that owns all it reads is over `()`")]
            impl<$I: $bound, $($below)*> $crate::Layer<$B> for $S<$I> {
                #[inline]
                fn on_round(&mut self, below: &$B, cx: &mut impl $crate::Context<Self>) {
                    let was = self.marks();
                    $(
                        if $crate::stack!(@due cx $($every)?) {
                            $crate::stack!(@call self below cx $layer ($($($dep)+)?) on_round());
                        }
                    )+
                    self.settle(was, false, below, cx);
                }

                #[inline]
                fn on_message(
                    &mut self,
                    below: &$B,
                    from: $I,
                    message: Frame<$I>,
                    cx: &mut impl $crate::Context<Self>,
                ) {
                    let was = self.marks();
                    match message {
                        $(
                            Frame::$layer(message) => $crate::stack!(
                                @call self below cx $layer ($($($dep)+)?) on_message(from, message)
                            ),
                        )+
                    }
                    self.settle(was, false, below, cx);
                }

                #[inline]
                fn on_wake(&mut self, below: &$B, cx: &mut impl $crate::Context<Self>) {
                    let was = self.marks();
                    let now = $crate::Local::<Self>::now(cx);
                    $(
                        if $crate::Protocol::wake_at(&self.$layer) <= now {
                            $crate::stack!(@call self below cx $layer ($($($dep)+)?) on_wake());
                        }
                    )+
                    self.settle(was, false, below, cx);
                }

                fn on_change(&mut self, below: &$B, cx: &mut impl $crate::Context<Self>) {
                    let was = self.marks();
                    self.settle(was, true, below, cx);
                }

                fn on_unreachable(
                    &mut self,
                    below: &$B,
                    peer: $I,
                    cx: &mut impl $crate::Context<Self>,
                ) {
                    let was = self.marks();
                    $(
                        $crate::stack!(
                            @call self below cx $layer ($($($dep)+)?) on_unreachable(peer)
                        );
                    )+
                    self.settle(was, false, below, cx);
                }

                fn on_contact(
                    &mut self,
                    below: &$B,
                    peer: $I,
                    cx: &mut impl $crate::Context<Self>,
                ) {
                    let was = self.marks();
                    $($crate::stack!(@call self below cx $layer ($($($dep)+)?) on_contact(peer));)+
                    self.settle(was, false, below, cx);
                }

                fn on_leave(&mut self, below: &$B, cx: &mut impl $crate::Context<Self>) {
                    $($crate::stack!(@call self below cx $layer ($($($dep)+)?) on_leave());)+
                }

                fn on_command(
                    &mut self,
                    below: &$B,
                    command: Command<$I>,
                    cx: &mut impl $crate::Context<Self>,
                ) -> Result<$crate::Receipt, $crate::Refusal> {
                    let was = self.marks();
                    let result = match command {
                        $(
                            Command::$layer(command) => $crate::stack!(
                                @call self below cx $layer ($($($dep)+)?) on_command(command)
                            ),
                        )+
                    };
                    self.settle(was, false, below, cx);
                    result
                }

                #[inline]
                #[allow(clippy::modulo_one, reason = "a stack may have one layer")]
                fn on_spare(&mut self, below: &$B, to: $I, cx: &mut impl $crate::Context<Self>) {
                    // Whoever is first changes with the round; each has an equal share of what the
                    // ones before it have left.
                    let first = $crate::Local::<Self>::round(cx) as usize % LAYERS;
                    let mut left = LAYERS;
                    for wrapped in [false, true] {
                        $(
                            if ((Slot::$layer as usize) < first) == wrapped {
                                $crate::stack!(
                                    @spare self below cx $layer ($($($dep)+)?) to left
                                );
                                left -= 1;
                            }
                        )+
                    }
                }
            }
        };
    };
    // The frame codec of the enum `$E`, one variant a layer.
    (@wire $E:ident $I:ident [$bound:path] $Part:ident $($layer:ident [$L:ty])+) => {
        impl<$I: $bound> $crate::__serde::Serialize for $E<$I> {
            fn serialize<Z>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>
            where
                Z: $crate::__serde::Serializer,
            {
                let (tag, body) = match self {
                    $(
                        Self::$layer(message) => {
                            (tags::$layer, $crate::stack::encoded(message))
                        }
                    )+
                };
                $crate::stack::serialize_frame(tag, &body, serializer)
            }
        }

        impl<'de, $I: $bound> $crate::__serde::Deserialize<'de> for $E<$I> {
            fn deserialize<Z>(deserializer: Z) -> Result<Self, Z::Error>
            where
                Z: $crate::__serde::Deserializer<'de>,
            {
                let (tag, body) = $crate::stack::deserialize_frame(deserializer)?;
                Self::from_body(tag, body).map_err($crate::__serde::de::Error::custom)
            }
        }

        impl<$I: $bound> $E<$I> {
            fn from_body(tag: u16, body: &[u8]) -> Result<Self, $crate::wire::DecodeError> {
                match tag {
                    $(tags::$layer => $crate::Wire::decode_all(body).map(Self::$layer),)+
                    tag => Err($crate::wire::DecodeError::UnknownFrame { tag }),
                }
            }
        }

        impl<$I: $bound> $crate::Wire for $E<$I> {
            const MAX_LEN: usize = {
                let mut most = 0;
                $(
                    let len = <<$L as $crate::Protocol>::$Part as $crate::Wire>::MAX_LEN;
                    if len > most {
                        most = len;
                    }
                )+
                $crate::stack::frame_len(most)
            };
            const MIN_LEN: usize = {
                let mut least = usize::MAX;
                $(
                    let len = <<$L as $crate::Protocol>::$Part as $crate::Wire>::MIN_LEN;
                    if len < least {
                        least = len;
                    }
                )+
                $crate::stack::frame_len(least)
            };
            const SHAPE: u32 = {
                let mut shape = 0;
                $(
                    shape = $crate::stack::shape_with(
                        shape,
                        tags::$layer,
                        <<$L as $crate::Protocol>::$Part as $crate::Wire>::SHAPE,
                    );
                )+
                shape
            };

            #[inline]
            fn layer(&self) -> &'static str {
                match self {
                    $(Self::$layer(_) => stringify!($layer),)+
                }
            }

            #[inline]
            fn encode(&self, out: &mut $crate::__alloc::vec::Vec<u8>) {
                match self {
                    $(
                        Self::$layer(message) => {
                            $crate::stack::encode_frame(tags::$layer, message, out);
                        }
                    )+
                }
            }

            #[inline]
            fn encoded_len(&self) -> usize {
                $crate::stack::frame_len(match self {
                    $(Self::$layer(message) => $crate::Wire::encoded_len(message),)+
                })
            }

            #[inline]
            fn decode(input: &mut &[u8]) -> Result<Self, $crate::wire::DecodeError> {
                let (tag, body) = $crate::stack::open_frame(input)?;
                Self::from_body(tag, body)
            }
        }
    };
    (@tag $layer:ident) => { $crate::stack::tag(stringify!($layer)) };
    (@tag $layer:ident $tag:literal) => { $tag };
    (@due $cx:ident) => { true };
    (@due $cx:ident $every:literal) => { $crate::Local::<Self>::round($cx) % $every == 0 };
    (@moved $was:ident $is:ident $below:ident) => { false };
    (@moved $was:ident $is:ident $below:ident $($dep:ident)+) => {
        $($crate::stack!(@moved_one $was $is $below $dep))||+
    };
    (@moved_one $was:ident $is:ident $below:ident below) => { $below };
    (@moved_one $was:ident $is:ident $below:ident $dep:ident) => { $was.$dep != $is.$dep };
    (
        @call $s:ident $b:ident $cx:ident $layer:ident ($($dep:ident)*) $on:ident($($arg:expr),*)
    ) => {{
        let call = $s.calls[Slot::$layer as usize];
        $s.calls[Slot::$layer as usize] = call.wrapping_add(1);
        let place = $crate::context::Place {
            name: stringify!($layer),
            tag: tags::$layer,
            call: u64::from(call),
            sharers: 1,
        };
        $crate::Layer::$on(
            &mut $s.$layer,
            $crate::stack!(@deps $s $b $($dep)*),
            $($arg,)*
            &mut $crate::context::lift::<Self, _, _, _>($cx, place, Frame::$layer, Event::$layer),
        )
    }};
    // Spare room is offered as often as other layers send, so its randomness is not counted but
    // named by the peer: adding a layer moves no other layer's draws.
    (@spare $s:ident $b:ident $cx:ident $layer:ident ($($dep:ident)*) $to:ident $left:ident) => {{
        let place = $crate::context::Place {
            name: stringify!($layer),
            tag: tags::$layer,
            call: $crate::id::fingerprint(&$to) | 1 << 63,
            sharers: $left,
        };
        $crate::Layer::on_spare(
            &mut $s.$layer,
            $crate::stack!(@deps $s $b $($dep)*),
            $to,
            &mut $crate::context::lift::<Self, _, _, _>($cx, place, Frame::$layer, Event::$layer),
        )
    }};
    (@deps $s:ident $b:ident) => { &() };
    (@deps $s:ident $b:ident $dep:ident) => { $crate::stack!(@dep $s $b $dep) };
    (@deps $s:ident $b:ident $($dep:ident)+) => { &($($crate::stack!(@dep $s $b $dep)),+) };
    (@dep $s:ident $b:ident below) => { $b };
    (@dep $s:ident $b:ident $dep:ident) => { &$s.$dep };
}
