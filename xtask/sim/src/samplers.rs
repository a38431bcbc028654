//! The samplers of the core, as scenarios name them.

use super::scenario::Point;
use super::stack::{Maker, Sampler, refused};
use gossip_core::sampling::framework::{Propagation, Selection};
use gossip_core::sampling::{
    Brahms, Cyclon, HyParView, Newscast, PeerSampling, brahms, cyclon, framework, hyparview,
    newscast,
};
use xtask_base::Failure;

/// Copies of `node` for everybody.
fn copies<T: Clone + Send + 'static>(node: T) -> Maker<T> {
    Box::new(move |_| node.clone())
}

impl<const C: usize> Sampler for Newscast<u32, C> {
    const CAPACITY: usize = C;

    fn is_named(name: &str) -> bool {
        name == "newscast"
    }

    fn view_size(point: &Point) -> usize {
        point.size("newscast.view")
    }

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let config = newscast::Config { size: Some(Self::view_size(point)) };
        Newscast::new(config).map(copies).map_err(|e| refused("newscast", e))
    }

    fn introduce(&mut self, peer: u32) -> bool {
        self.inner_mut().introduce(peer, ())
    }
}

impl<const C: usize> Sampler for Cyclon<u32, C> {
    const CAPACITY: usize = C;

    fn is_named(name: &str) -> bool {
        name == "cyclon"
    }

    fn view_size(point: &Point) -> usize {
        point.size("cyclon.view")
    }

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let size = Some(Self::view_size(point));
        let shuffle = point.size("cyclon.shuffle");
        let config = cyclon::Config { size, shuffle, ..cyclon::Config::default() };
        Cyclon::new(config).map(copies).map_err(|e| refused("cyclon", e))
    }

    fn introduce(&mut self, peer: u32) -> bool {
        self.inner_mut().introduce(peer, ())
    }
}

impl<const C: usize> Sampler for PeerSampling<u32, C> {
    const CAPACITY: usize = C;

    fn is_named(name: &str) -> bool {
        name == "peer-sampling"
    }

    fn view_size(point: &Point) -> usize {
        point.size("peer-sampling.view")
    }

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let tail = point.text("peer-sampling.selection") == "tail";
        let push = point.text("peer-sampling.propagation") == "push";
        let config = framework::Config {
            healer: point.size("peer-sampling.healer"),
            swapper: point.size("peer-sampling.swapper"),
            selection: if tail { Selection::Tail } else { Selection::Rand },
            propagation: if push { Propagation::Push } else { Propagation::PushPull },
            ..framework::Config::blind(Self::view_size(point))
        };
        PeerSampling::new(config).map(copies).map_err(|e| refused("peer-sampling", e))
    }

    fn introduce(&mut self, peer: u32) -> bool {
        self.inner_mut().introduce(peer, ())
    }
}

impl<const A: usize, const B: usize> Sampler for HyParView<u32, A, B> {
    const CAPACITY: usize = B;
    const INTRODUCES: bool = false;

    fn is_named(name: &str) -> bool {
        name == "hyparview"
    }

    fn view_size(point: &Point) -> usize {
        point.size("hyparview.passive")
    }

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let config = hyparview::Config {
            active: Some(point.size("hyparview.active")),
            passive: Some(Self::view_size(point)),
            ..hyparview::Config::default()
        };
        HyParView::new(config).map(copies).map_err(|e| refused("hyparview", e))
    }
}

impl<const C: usize, const S: usize> Sampler for Brahms<u32, C, S> {
    const CAPACITY: usize = C;

    fn is_named(name: &str) -> bool {
        name == "brahms"
    }

    fn view_size(point: &Point) -> usize {
        point.size("brahms.view")
    }

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let config = brahms::Config {
            size: Some(Self::view_size(point)),
            samples: Some(point.size("brahms.samples")),
            alpha: point.float("brahms.alpha"),
            beta: point.float("brahms.beta"),
            gamma: point.float("brahms.gamma"),
            ..brahms::Config::default()
        };
        Brahms::new(config).map(copies).map_err(|e| refused("brahms", e))
    }

    fn introduce(&mut self, peer: u32) -> bool {
        Brahms::introduce(self, peer)
    }
}
