//! A protocol that says much at once.

use std::net::SocketAddr;

use gossip_core::{Blob, Context, Layer, Nothing, Protocol, Receipt, Refusal, message};

message! {
    /// Pour as many words on a peer.
    pub(crate) struct Pour {
        pub(crate) to: SocketAddr,
        pub(crate) count: u16,
    }
}

message! {
    /// A word, long or short.
    pub(crate) enum Word {
        Short,
        Long(Blob<1000>),
    }
}

/// Greets its contact each round, pours when told, and counts the long words that come.
#[derive(Debug, Default)]
pub(crate) struct Pours {
    contact: Option<SocketAddr>,
    /// Long words that came.
    pub(crate) came: u32,
}

impl Protocol for Pours {
    type Id = SocketAddr;
    type Message = Word;
    type Event = Nothing;
    type Command = Pour;
}

impl Layer for Pours {
    fn on_round(&mut self, (): &(), cx: &mut impl Context<Self>) {
        if let Some(contact) = self.contact {
            cx.send(contact, Word::Short);
        }
    }

    fn on_contact(&mut self, (): &(), peer: SocketAddr, _: &mut impl Context<Self>) {
        self.contact = Some(peer);
    }

    fn on_message(&mut self, (): &(), _: SocketAddr, said: Word, _: &mut impl Context<Self>) {
        self.came += u32::from(matches!(said, Word::Long(_)));
    }

    fn on_command(
        &mut self,
        (): &(),
        pour: Pour,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        for _ in 0..pour.count {
            cx.send(pour.to, Word::Long(Blob::new([7; 1_000]).expect("it fits")));
        }
        Ok(Receipt::default())
    }
}
