//! What tests of several decoders share: the annotated vectors, and a sink that writes down what it hears.

use std::sync::LazyLock;

use super::drive::Pipe;
use super::{Shared, ldap, mail, tds, tls};
use crate::event::{Event, Sink};
use crate::net::Direction;
use crate::packet::{Chunk, Progress};

/// One PDU of `testdata/vectors/vectors.json` and what a decoder must read from it.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    /// Its name.
    pub(crate) name: String,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its protocol.
    pub(crate) layer: String,
    /// The values.
    pub(crate) expect: serde_json::Value,
}

impl Vector {
    /// An expected text, empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.expect[key].as_str().unwrap_or_default()
    }

    /// An expected number, written as such or as `0x...`.
    pub(crate) fn number(&self, key: &str) -> Option<u32> {
        let value = &self.expect[key];
        match value.as_str() {
            Some(hex) => u32::from_str_radix(hex.strip_prefix("0x")?, 16).ok(),
            None => value.as_u64().and_then(|n| n.try_into().ok()),
        }
    }
}

/// All vectors.
pub(crate) fn all_vectors() -> &'static [Vector] {
    &ALL
}

/// All vectors of a layer.
pub(crate) fn vectors(layer: &str) -> Vec<Vector> {
    let of_layer = |v: &&Vector| v.layer == layer;
    ALL.iter().filter(of_layer).cloned().collect()
}

/// The vector of this name.
pub(crate) fn vector(name: &str) -> Vector {
    let found = ALL.iter().find(|v| v.name == name);
    found.unwrap_or_else(|| panic!("no vector {name}")).clone()
}

static ALL: LazyLock<Vec<Vector>> = LazyLock::new(load);

fn load() -> Vec<Vector> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors/vectors.json");
    let text = std::fs::read_to_string(path).unwrap();
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .map(|v| Vector {
            name: v["name"].as_str().unwrap().to_owned(),
            layer: v["layer"].as_str().unwrap().to_owned(),
            bytes: data_encoding::HEXLOWER
                .decode(v["hex"].as_str().unwrap().as_bytes())
                .unwrap(),
            expect: v["expect"].clone(),
        })
        .collect()
}

/// Writes events down as text, so that two runs can be compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recorder(pub(crate) Vec<String>);

impl Sink for Recorder {
    fn event(&mut self, direction: Direction, event: &Event<'_>) {
        self.0.push(format!("{} {event:?}", direction.name()));
    }
}

impl Recorder {
    /// Events whose text contains all of these.
    pub(crate) fn count(&self, parts: &[&str]) -> usize {
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.0.iter().filter(has_all).count()
    }
}

/// A decoder of streams.
pub(crate) trait Stream {
    /// Takes the next piece of one direction.
    fn take(&mut self, _: Direction, _: Chunk<'_>, _: &mut Shared, _: &mut dyn Sink) -> Progress;
}

macro_rules! streams {
    ($($decoder:ty),*) => {$(
        impl Stream for $decoder {
            fn take(
                &mut self,
                way: Direction,
                chunk: Chunk<'_>,
                shared: &mut Shared,
                out: &mut dyn Sink,
            ) -> Progress {
                self.chunk(way, chunk, shared, out)
            }
        }
    )*};
}

streams!(ldap::Decoder, mail::Decoder, tds::Decoder, tls::Decoder);

/// One connection under test: what is said goes to the decoder as the flow would show it.
#[derive(Debug, Default)]
pub(crate) struct Connection<D> {
    pub(crate) decoder: D,
    pub(crate) pipes: [Pipe; 2],
    pub(crate) shared: Shared,
    pub(crate) out: Recorder,
}

impl<D: Stream> Connection<D> {
    /// With this decoder.
    pub(crate) fn of(decoder: D) -> Self {
        Self {
            decoder,
            pipes: Default::default(),
            shared: Shared::default(),
            out: Recorder::default(),
        }
    }

    /// Bytes go this way.
    pub(crate) fn say(&mut self, way: Direction, bytes: &[u8]) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].data(bytes, |c| decoder.take(way, c, shared, out));
        self
    }

    /// So many are missing.
    pub(crate) fn lose(&mut self, way: Direction, n: u64) -> &mut Self {
        let Self {
            decoder,
            pipes,
            shared,
            out,
        } = self;
        pipes[way.index()].gap(n, |c| decoder.take(way, c, shared, out));
        self
    }
}
