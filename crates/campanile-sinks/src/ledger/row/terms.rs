//! The conditions of a price.

use super::{GetWords, PutWords};
use crate::ledger::codec::{Pack, Unpack};
use campanile_core::{Mode, Terms};

/// The conditions of a price.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TermsRow<'a> {
    mode: u8,
    tier_served: bool,
    channels: Option<u32>,
    /// Tier, region, voice, plan.
    names: [Option<&'a str>; 4],
    addons: Vec<&'a str>,
}

impl<'a> TermsRow<'a> {
    pub(super) fn of(terms: &'a Terms) -> Self {
        Self {
            mode: match terms.mode {
                None => 0,
                Some(Mode::Streaming) => 1,
                Some(_) => 2,
            },
            tier_served: terms.tier_served,
            channels: terms.channels,
            names: [&terms.tier, &terms.region, &terms.voice, &terms.plan]
                .map(|name| name.as_deref()),
            addons: terms.addons.iter().map(|name| name.as_str()).collect(),
        }
    }

    pub(crate) fn to_terms(&self) -> Terms {
        let name = |text: &str| campanile_core::Name::outside(text);
        let mut terms = Terms::default();
        terms.mode = [None, Some(Mode::Streaming), Some(Mode::Prerecorded)]
            .get(usize::from(self.mode))
            .copied()
            .flatten();
        terms.tier_served = self.tier_served;
        terms.channels = self.channels;
        let [tier, region, voice, plan] = self.names.map(|text| text.and_then(name));
        (terms.tier, terms.region, terms.voice, terms.plan) = (tier, region, voice, plan);
        terms.addons = self.addons.iter().copied().filter_map(name).collect();
        terms
    }

    pub(super) fn pack<W: PutWords>(
        &self,
        out: &mut Vec<u8>,
        words: &mut W,
    ) -> Result<(), W::Error> {
        let mut flags = u64::from(self.mode)
            | u64::from(self.tier_served) << 2
            | u64::from(self.channels.is_some()) << 3
            | (self.addons.len() as u64) << 8;
        for (i, name) in self.names.iter().enumerate() {
            flags |= u64::from(name.is_some()) << (4 + i);
        }
        out.uint(flags);
        for name in self.names.iter().flatten().chain(&self.addons) {
            words.word(out, name)?;
        }
        if let Some(channels) = self.channels {
            out.uint(channels.into());
        }
        Ok(())
    }

    pub(super) fn unpack(from: &mut Unpack<'a>, words: &impl GetWords<'a>) -> Option<Self> {
        let flags = from.uint()?;
        let mut terms = Self {
            mode: flags as u8 & 3,
            tier_served: flags & 4 != 0,
            ..Self::default()
        };
        for (i, name) in terms.names.iter_mut().enumerate() {
            if flags & (1 << (4 + i)) != 0 {
                *name = Some(words.word(from)?);
            }
        }
        for _ in 0..flags >> 8 {
            terms.addons.push(words.word(from)?);
        }
        if flags & 8 != 0 {
            terms.channels = Some(from.small()?);
        }
        Some(terms)
    }
}
