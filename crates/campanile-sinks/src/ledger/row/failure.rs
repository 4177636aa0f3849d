//! Why something failed, and the texts of it.

use super::{GetWords, PutWords};
use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{FailureKind, FailureReport, Span};

/// Longest texts of one failure that are kept; the rest is cut at a character.
pub(super) const MAX_CHAIN_BYTES: usize = 8 * 1024;

const MAX_BACKTRACE_BYTES: usize = 32 * 1024;

/// A failure, texts included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailureRow<'a> {
    pub(crate) kind: u8,
    pub(crate) code: Option<&'a str>,
    pub(crate) retryable: bool,
    pub(crate) retry_after_us: Option<u64>,
    pub(crate) fingerprint: &'a str,
}

impl<'a> FailureRow<'a> {
    pub(super) fn of(report: &'a FailureReport) -> Self {
        Self {
            kind: report.kind as u8,
            code: report.code.as_deref(),
            retryable: report.retryable,
            retry_after_us: report.retry_after.map(Span::us),
            fingerprint: &report.fingerprint,
        }
    }

    pub(crate) fn kind_name(&self) -> &'static str {
        FailureKind::ALL
            .get(usize::from(self.kind))
            .copied()
            .unwrap_or_default()
            .name()
    }

    pub(super) fn pack<W: PutWords>(
        &self,
        out: &mut Vec<u8>,
        words: &mut W,
    ) -> Result<(), W::Error> {
        out.push(self.kind);
        out.push(
            u8::from(self.retryable)
                | u8::from(self.code.is_some()) << 1
                | u8::from(self.retry_after_us.is_some()) << 2,
        );
        words.word(out, self.fingerprint)?;
        if let Some(code) = self.code {
            words.word(out, code)?;
        }
        if let Some(wait) = self.retry_after_us {
            out.uint(wait);
        }
        Ok(())
    }

    pub(super) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let (kind, flags) = (from.byte()?, from.byte()?);
        Some(Self {
            kind,
            retryable: flags & 1 != 0,
            fingerprint: words.word(from)?,
            code: if flags & 2 != 0 {
                Some(words.word(from)?)
            } else {
                None
            },
            retry_after_us: if flags & 4 != 0 {
                Some(from.uint()?)
            } else {
                None
            },
        })
    }
}

/// The texts of a failure: written once for each fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailureTexts<'a> {
    pub(crate) at: i64,
    pub(crate) kind: u8,
    pub(crate) fingerprint: &'a str,
    pub(crate) code: Option<&'a str>,
    pub(crate) chain: Vec<&'a str>,
    pub(crate) backtrace: Option<&'a str>,
}

impl<'a> FailureTexts<'a> {
    pub(crate) fn of(at: i64, report: &'a FailureReport) -> Self {
        let mut left = MAX_CHAIN_BYTES;
        let mut chain = Vec::new();
        for text in &report.chain {
            let text = cut(text.as_str(), left);
            left -= text.len();
            chain.push(text);
        }
        Self {
            at,
            kind: report.kind as u8,
            fingerprint: &report.fingerprint,
            code: report.code.as_deref(),
            chain,
            backtrace: report
                .backtrace
                .as_ref()
                .map(|text| cut(text.as_str(), MAX_BACKTRACE_BYTES)),
        }
    }

    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        out.int(self.at);
        out.push(self.kind);
        out.text(self.fingerprint);
        out.push(u8::from(self.code.is_some()) | u8::from(self.backtrace.is_some()) << 1);
        for text in [self.code, self.backtrace].into_iter().flatten() {
            out.text(text);
        }
        out.uint(self.chain.len() as u64);
        for text in &self.chain {
            out.text(text);
        }
    }

    pub(crate) fn unpack(from: &mut Unpack<'a>) -> Option<Self> {
        let (at, kind, fingerprint, there) =
            (from.int()?, from.byte()?, from.text()?, from.byte()?);
        let code = if there & 1 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let backtrace = if there & 2 != 0 {
            Some(from.text()?)
        } else {
            None
        };
        let mut chain = Vec::new();
        for _ in 0..from.uint()? {
            chain.push(from.text()?);
        }
        Some(Self {
            at,
            kind,
            fingerprint,
            code,
            chain,
            backtrace,
        })
    }
}

/// The longest beginning of `text` with at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
