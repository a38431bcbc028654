//! The stacks that scenarios can name: each sampler of one list under each application of another.

use super::applications::Idle;
use super::overlay::Overlay;
use super::scenario::Point;
use super::stack::{Built, Runner, Stack};
use gossip_aggregate::{Average, Count};
use gossip_core::sampling::{Brahms, Cyclon, HyParView, Newscast, PeerSampling};
use gossip_core::{PeerId, Protocol, stack};
use gossip_dissem::RumorMongering;
use gossip_overlay::{RingRank, TMan};
use xtask_base::Failure;

/// Declares a stack in a module of its own.
macro_rules! over {
    ($app:ident, $Sampler:ty, $App:ty) => {
        pub(super) mod $app {
            use super::super::*;

            stack! {
                /// An application over a sampler.
                #[derive(Clone, Debug)]
                pub(in super::super) struct Node<I: PeerId> {
                    peers: $Sampler,
                    #[uses(peers)]
                    app: $App,
                }
            }

            type Ask = <Node<u32> as Protocol>::Command;
            type Of<I> = ($Sampler, $App, std::marker::PhantomData<I>);

            impl Built for Node<u32> {
                type Sampler = <Of<u32> as Pair>::First;
                type App = <Of<u32> as Pair>::Second;

                fn build(peers: Self::Sampler, app: Self::App) -> Self {
                    Self::new(peers, app)
                }

                fn peers(&self) -> &Self::Sampler {
                    &self.peers
                }

                fn peers_mut(&mut self) -> &mut Self::Sampler {
                    &mut self.peers
                }

                fn app(&self) -> &Self::App {
                    &self.app
                }

                fn ask(command: <Self::App as Protocol>::Command) -> Ask {
                    Ask::app(command)
                }
            }
        }
    };
}

/// Names the types of a stack's layers, which its declaration knows for any identifier only.
trait Pair {
    type First;
    type Second;
}

impl<A, B, I> Pair for (A, B, std::marker::PhantomData<I>) {
    type First = A;
    type Second = B;
}

/// Declares all applications over each sampler, and the list of the stacks.
macro_rules! stacks {
    ($($sampler:ident: $Sampler:ty;)*) => {
        $(
            mod $sampler {
                over!(none, $Sampler, Idle<I>);
                over!(mean, $Sampler, Average<I>);
                over!(count, $Sampler, Count<I, SIDE_BY_SIDE>);
                over!(rumor, $Sampler, RumorMongering<I, u32>);
                over!(tman, $Sampler, TMan<I, RingRank, 20>);
            }
        )*

        /// Smaller views come first.
        static STACKS: &[&dyn Runner] = &[
            $(
                &Stack::<$sampler::none::Node<u32>>::NEW,
                &Stack::<$sampler::mean::Node<u32>>::NEW,
                &Stack::<$sampler::count::Node<u32>>::NEW,
                &Stack::<$sampler::rumor::Node<u32>>::NEW,
                &Stack::<$sampler::tman::Node<u32>>::NEW,
            )*
        ];
    };
}

/// Leaders that a node can count beside each other: twice what the key `count.leaders` takes.
const SIDE_BY_SIDE: usize = 8;

stacks! {
    newscast20: Newscast<I, 20>;
    newscast64: Newscast<I, 64>;
    cyclon20: Cyclon<I, 20>;
    cyclon64: Cyclon<I, 64>;
    peer_sampling64: PeerSampling<I, 64>;
    hyparview: HyParView<I, 16, 64>;
    brahms: Brahms<I, 64, 64>;
    overlay: Overlay<I>;
}

/// The stack that `point` names.
pub(super) fn find(point: &Point) -> Result<&'static dyn Runner, Failure> {
    let fitting = STACKS.iter().copied().filter(|runner| runner.fits(point));
    fitting.min_by_key(|runner| runner.capacity()).ok_or_else(|| {
        let (sampler, application) = (point.text("sampler"), point.text("application"));
        Failure::Usage(format!("there is no stack of {application} over {sampler}"))
    })
}
