//! Content encodings: undone where something on the way compresses although nobody asked.
//!
//! The client asks for none, since a compressor holds events back. Proxies do it all the same, so what they use is decoded as it
//! arrives. An encoding that is not known is an error that names it.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use futures_core::Stream;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::Error;
use crate::transport::{Body, TransportError, TransportErrorKind};

/// The most that is decoded before it is handed on.
const OUT_BYTES: usize = 64 * 1024;
/// So little is decoded at a time that the result fits into what is left of the output, whatever the compressor made of it (deflate
/// reaches 1:1032). Otherwise the decoder would keep a rest to itself until more comes.
const STEP_BYTES: usize = 16;
const STEP_OUT_BYTES: usize = 32 * 1024;

/// The body without the encoding that the headers name.
pub(crate) fn decode(headers: &HeaderMap, body: Body) -> Result<Body, Error> {
    let named = headers.get(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let name = named.as_deref().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(match &*name {
        "" | "identity" => body,
        "gzip" | "x-gzip" => Body::stream(Decoded::new(body, MultiGzDecoder::new(Fed::default()))),
        "deflate" => Body::stream(Decoded::new(body, ZlibDecoder::new(Fed::default()))),
        _ => {
            let name = crate::excerpt::excerpt(&name);
            return Err(Error::unexpected_body(format!(
                "the answer is encoded as `{name}`, though no encoding was asked for"
            )));
        }
    })
}

struct Decoded<D> {
    body: Body,
    decoder: D,
    step: Vec<u8>,
    over: bool,
}

/// The bytes that have arrived, for a decoder that reads; it is told to wait where there are none.
#[derive(Default)]
struct Fed {
    pieces: VecDeque<Bytes>,
    ended: bool,
}

trait Feed {
    fn fed(&mut self) -> &mut Fed;
}

impl<D: Read + Feed> Decoded<D> {
    fn new(body: Body, decoder: D) -> Self {
        Self { body, decoder, step: vec![0; STEP_OUT_BYTES], over: false }
    }

    /// What can be decoded now; empty at the end, `None` where more has to arrive first.
    fn decode(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut out = Vec::new();
        while out.len() < OUT_BYTES {
            match self.decoder.read(&mut self.step) {
                Ok(0) => return Ok(Some(out)),
                Ok(length) => out.extend_from_slice(&self.step[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((!out.is_empty()).then_some(out));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(out))
    }
}

impl<D: Read + Feed + Unpin> Stream for Decoded<D> {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.over {
            match this.decode() {
                Ok(Some(out)) if out.is_empty() => break,
                Ok(Some(out)) => return Poll::Ready(Some(Ok(out.into()))),
                Ok(None) => match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                    Some(Ok(piece)) => this.decoder.fed().pieces.push_back(piece),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => this.decoder.fed().ended = true,
                },
                Err(error) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(TransportError::new(TransportErrorKind::Lost, error))));
                }
            }
        }
        this.over = true;
        Poll::Ready(None)
    }
}

impl BufRead for Fed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.pieces.front().is_some_and(Bytes::is_empty) {
            self.pieces.pop_front();
        }
        match self.pieces.front() {
            Some(piece) => Ok(&piece[..piece.len().min(STEP_BYTES)]),
            None if self.ended => Ok(&[]),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn consume(&mut self, amount: usize) {
        if let Some(piece) = self.pieces.front_mut() {
            piece.advance(amount);
        }
    }
}

impl Read for Fed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl Feed for MultiGzDecoder<Fed> {
    fn fed(&mut self) -> &mut Fed {
        self.get_mut()
    }
}

impl Feed for ZlibDecoder<Fed> {
    fn fed(&mut self) -> &mut Fed {
        self.get_mut()
    }
}
