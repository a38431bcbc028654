//! [`message!`](crate::message): types that travel, declared once, bounds and codec included.

use super::varint_len;

/// `MAX_LEN` of an enum whose variants' fields take at most these many bytes.
#[doc(hidden)]
pub const fn __enum_max_len(variants: &[usize]) -> usize {
    let (mut max, mut i) = (0, 0);
    while i < variants.len() {
        let len = varint_len(i) + variants[i];
        if len > max {
            max = len;
        }
        i += 1;
    }
    max
}

/// `MIN_LEN` of an enum whose variants' fields take at least these many bytes.
#[doc(hidden)]
pub const fn __enum_min_len(variants: &[usize]) -> usize {
    let (mut min, mut i) = (usize::MAX, 0);
    while i < variants.len() {
        let len = varint_len(i) + variants[i];
        if len < min {
            min = len;
        }
        i += 1;
    }
    min
}

/// Declares a type that travels: a struct or an enum of [`Wire`](crate::wire::Wire) fields.
///
/// It is written as in Rust, with docs, attributes and further derives, and gets `Clone`, `Debug`,
/// serde's traits and `Wire`; its bounds are those of its fields. Fields of a struct are written in
/// their order; an enum begins with the index of its variant as a varint. Reordering fields or
/// variants, or adding any but a last variant, is another layout, and shows in
/// [`SHAPE`](crate::wire::Wire::SHAPE).
///
/// Type parameters need a bound that implies `Wire`: `Wire` itself, or a trait above it. There are
/// no lifetimes (what travels is owned), no `where` clauses, and no defaults for parameters. The
/// crate must depend on `gossip-core` under that name; it needs no serde of its own.
///
/// # Examples
///
/// ```
/// use gossip_core::message;
/// use gossip_core::wire::{Bounded, Wire};
///
/// message! {
///     /// What a peer says of itself.
///     #[derive(PartialEq)]
///     pub struct Entry<I: Wire> {
///         /// Who.
///         pub id: I,
///         /// Cycles since it said so.
///         pub age: u16,
///     }
/// }
///
/// message! {
///     /// The two halves of an exchange.
///     #[derive(PartialEq)]
///     pub enum Leg<I: Wire, const N: usize> {
///         /// Some of my entries; I want as many back.
///         Request(u32, Bounded<Entry<I>, N>),
///         /// The answer.
///         Reply {
///             /// Which request it answers.
///             seq: u32,
///             /// Some of its entries.
///             entries: Bounded<Entry<I>, N>,
///         },
///         /// No exchange now.
///         Busy(u32),
///     }
/// }
///
/// // Variant, sequence number, number of entries, and 8 entries of an id and an age.
/// assert_eq!(Leg::<u64, 8>::MAX_LEN, 1 + 5 + 1 + 8 * (10 + 3));
/// assert_eq!(Leg::<u64, 8>::MIN_LEN, 2);
///
/// let busy = Leg::<u64, 8>::Busy(300);
/// let mut bytes = Vec::new();
/// busy.encode(&mut bytes);
/// assert_eq!(bytes, [2, 0xac, 0x02]);
/// assert_eq!(Leg::decode_all(&bytes), Ok(busy));
/// ```
#[macro_export]
macro_rules! message {
    ($(#[$meta:meta])* $vis:vis struct $name:ident $($rest:tt)*) => {
        $crate::__message! { @generics ([$(#[$meta])*] [$vis] struct $name) $($rest)* }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident $($rest:tt)*) => {
        $crate::__message! { @generics ([$(#[$meta])*] [$vis] enum $name) $($rest)* }
    };
}

/// The steps of `message!`. The first ones split the generic parameters into a declaration
/// (`I: PeerId, const N: usize,`) and arguments (`I, N,`), token by token because a macro cannot
/// match a bound as a whole; the `@body` ones write the type.
#[doc(hidden)]
#[macro_export]
macro_rules! __message {
    (@generics $head:tt < $($rest:tt)*) => {
        $crate::__message! { @param $head [] [] $($rest)* }
    };
    (@generics $head:tt $($body:tt)*) => {
        $crate::__message! { @body $head [] [] $($body)* }
    };

    // The next parameter, or the end of the list.
    (@param $head:tt $decl:tt $args:tt > $($body:tt)*) => {
        $crate::__message! { @body $head $decl $args $($body)* }
    };
    (@param $head:tt [$($decl:tt)*] [$($args:tt)*] const $n:ident : $t:tt , $($rest:tt)*) => {
        $crate::__message! { @param $head [$($decl)* const $n: $t,] [$($args)* $n,] $($rest)* }
    };
    (@param $head:tt [$($decl:tt)*] [$($args:tt)*] const $n:ident : $t:tt > $($body:tt)*) => {
        $crate::__message! { @body $head [$($decl)* const $n: $t,] [$($args)* $n,] $($body)* }
    };
    (@param $head:tt [$($decl:tt)*] [$($args:tt)*] $n:ident : $($rest:tt)*) => {
        $crate::__message! { @bound $head [$($decl)* $n:] [$($args)* $n,] [] $($rest)* }
    };

    // The bounds of a parameter, up to a comma or `>` outside all `<` that they open. The last
    // brackets hold those that are open.
    (@bound $head:tt [$($decl:tt)*] $args:tt [] , $($rest:tt)*) => {
        $crate::__message! { @param $head [$($decl)*,] $args $($rest)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt [] > $($body:tt)*) => {
        $crate::__message! { @body $head [$($decl)*,] $args $($body)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt [<] >> $($body:tt)*) => {
        $crate::__message! { @body $head [$($decl)* >,] $args $($body)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt [$($open:tt)*] < $($rest:tt)*) => {
        $crate::__message! { @bound $head [$($decl)* <] $args [< $($open)*] $($rest)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt [< $($open:tt)*] > $($rest:tt)*) => {
        $crate::__message! { @bound $head [$($decl)* >] $args [$($open)*] $($rest)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt [< < $($open:tt)*] >> $($rest:tt)*) => {
        $crate::__message! { @bound $head [$($decl)* > >] $args [$($open)*] $($rest)* }
    };
    (@bound $head:tt [$($decl:tt)*] $args:tt $open:tt $t:tt $($rest:tt)*) => {
        $crate::__message! { @bound $head [$($decl)* $t] $args $open $($rest)* }
    };

    (@body ([$($meta:tt)*] [$vis:vis] struct $name:ident) [$($decl:tt)*] [$($args:tt)*] {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $t:ty),* $(,)?
    }) => {
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            $crate::__serde::Serialize,
            $crate::__serde::Deserialize,
        )]
        #[serde(crate = "gossip_core::__serde", bound = "")]
        $($meta)*
        $vis struct $name<$($decl)*> {
            $($(#[$field_meta])* $field_vis $field: $t,)*
        }

        $crate::__message! { @wire $name [$($decl)*] [$($args)*] $([$t])* }
    };
    (@body ([$($meta:tt)*] [$vis:vis] struct $name:ident) [$($decl:tt)*] [$($args:tt)*] (
        $($(#[$field_meta:meta])* $field_vis:vis $t:ty),* $(,)?
    ) $(;)?) => {
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            $crate::__serde::Serialize,
            $crate::__serde::Deserialize,
        )]
        #[serde(crate = "gossip_core::__serde", bound = "")]
        $($meta)*
        $vis struct $name<$($decl)*>($($(#[$field_meta])* $field_vis $t,)*);

        $crate::__message! { @wire $name [$($decl)*] [$($args)*] $([$t])* }
    };
    (@body ([$($meta:tt)*] [$vis:vis] struct $name:ident) [$($decl:tt)*] [$($args:tt)*] $(;)?) => {
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            $crate::__serde::Serialize,
            $crate::__serde::Deserialize,
        )]
        #[serde(crate = "gossip_core::__serde", bound = "")]
        $($meta)*
        $vis struct $name<$($decl)*>;

        $crate::__message! { @wire $name [$($decl)*] [$($args)*] }
    };
    (@body ([$($meta:tt)*] [$vis:vis] enum $name:ident) [$($decl:tt)*] [$($args:tt)*] {
        $(
            $(#[$variant_meta:meta])*
            $variant:ident
            $(( $($(#[$tuple_meta:meta])* $tuple:ty),* $(,)? ))?
            $({ $($(#[$field_meta:meta])* $field:ident : $t:ty),* $(,)? })?
        ),+ $(,)?
    }) => {
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            $crate::__serde::Serialize,
            $crate::__serde::Deserialize,
        )]
        #[serde(crate = "gossip_core::__serde", bound = "")]
        #[allow(
            clippy::large_enum_variant,
            reason = "messages live briefly; a box would let few bytes allocate much"
        )]
        $($meta)*
        $vis enum $name<$($decl)*> {
            $(
                $(#[$variant_meta])*
                $variant
                $(( $($(#[$tuple_meta])* $tuple,)* ))?
                $({ $($(#[$field_meta])* $field: $t,)* })?
            ,)+
        }

        impl<$($decl)*> $crate::wire::Wire for $name<$($args)*> {
            const MAX_LEN: usize = $crate::wire::__enum_max_len(&[$(
                0 $($(+ <$tuple as $crate::wire::Wire>::MAX_LEN)*)?
                $($(+ <$t as $crate::wire::Wire>::MAX_LEN)*)?
            ),+]);
            const MIN_LEN: usize = $crate::wire::__enum_min_len(&[$(
                0 $($(+ <$tuple as $crate::wire::Wire>::MIN_LEN)*)?
                $($(+ <$t as $crate::wire::Wire>::MIN_LEN)*)?
            ),+]);
            const SHAPE: u32 = $crate::wire::shape_of(&[$(
                $crate::wire::shape_of(&[
                    $($(<$tuple as $crate::wire::Wire>::SHAPE,)*)?
                    $($(<$t as $crate::wire::Wire>::SHAPE,)*)?
                ])
            ),+]);
        }
    };

    (@wire $name:ident [$($decl:tt)*] [$($args:tt)*] $([$t:ty])*) => {
        impl<$($decl)*> $crate::wire::Wire for $name<$($args)*> {
            const MAX_LEN: usize = 0 $(+ <$t as $crate::wire::Wire>::MAX_LEN)*;
            const MIN_LEN: usize = 0 $(+ <$t as $crate::wire::Wire>::MIN_LEN)*;
            const SHAPE: u32 =
                $crate::wire::shape_of(&[$(<$t as $crate::wire::Wire>::SHAPE),*]);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::{__enum_max_len, __enum_min_len};
    use crate::wire::{Nothing, Wire, shape_of};

    message! {
        struct Unit;
    }

    message! {
        struct Tuple<A: Into<Option<u8>> + Wire, B: Wire + IntoIterator<Item = Option<u8>>>(A, B);
    }

    message! {
        enum Choice<M: Wire> {
            None,
            Some(M),
            Pair { left: u8, right: M },
        }
    }

    type Pair = Tuple<Option<u8>, [Option<u8>; 2]>;

    #[test]
    fn an_enum_is_as_long_as_its_longest_variant_with_its_index() {
        assert_eq!(__enum_max_len(&[4]), 5);
        assert_eq!(__enum_max_len(&[0; 128]), 1);
        assert_eq!(__enum_max_len(&[0; 129]), 2);
        let mut variants = [3; 200];
        variants[100] = 4;
        assert_eq!(__enum_max_len(&variants), 5);
        variants[150] = 4;
        assert_eq!(__enum_max_len(&variants), 6);
        assert_eq!(__enum_min_len(&variants), 4);
        variants[199] = 0;
        assert_eq!(__enum_min_len(&variants), 2);
    }

    #[test]
    fn the_macro_works_inside_its_own_crate() {
        assert_eq!((Unit::MAX_LEN, Unit::MIN_LEN), (0, 0));
        assert_eq!((Pair::MAX_LEN, Pair::MIN_LEN), (6, 3));
        assert_eq!((Choice::<u32>::MAX_LEN, Choice::<u32>::MIN_LEN), (7, 1));
        assert!(Pair::decode_all(&[0, 1, 7, 0]).is_ok_and(|pair| pair.1[0] == Some(7)));
        assert!(matches!(Choice::<u16>::decode_all(&[2, 7, 9]), Ok(Choice::Pair { right: 9, .. })));
        assert!(matches!(Choice::decode_all(&[1, 9]), Ok(Choice::<u8>::Some(9))));
        assert!(matches!(Choice::<Nothing>::decode_all(&[0]), Ok(Choice::None)));
        assert!(Choice::<Nothing>::decode_all(&[1]).is_err());
        let shape = shape_of(&[shape_of(&[]), shape_of(&[u8::SHAPE]), shape_of(&[u8::SHAPE; 2])]);
        assert_eq!(Choice::<u8>::SHAPE, shape);
    }
}
