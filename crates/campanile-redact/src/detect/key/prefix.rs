//! Keys that announce themselves by what they begin with.

use super::is_random;
use super::shape::is_key;
use crate::detect::Scan;
use crate::find::Find;
use crate::kind::Kind;

/// What follows a prefix.
#[derive(Clone, Copy)]
enum Body {
    /// Letters and digits only.
    Plain,
    /// With `-` and `_` between: random enough not to be a name.
    Joined,
    /// The same, with capitals, small letters and digits: the prefix alone says little.
    Mixed,
    /// With dots, too.
    Dotted,
    /// Letters, digits, `+` and `/`.
    Base64,
}

use Body::{Base64, Dotted, Joined, Mixed, Plain};

/// Dots in one key at most.
const PARTS: usize = 3;

/// Prefix, body, how many characters follow at least. Longer prefixes before those that they begin with.
const PREFIXES: &[(&str, Body, usize)] = &[
    // Language models and speech.
    ("sk_live_", Plain, 8),
    ("sk_test_", Plain, 8),
    ("sk.eyJ", Dotted, 40),
    ("sk_car_", Plain, 16),
    ("sk-", Joined, 18),
    ("sk_", Joined, 16),
    ("gsk_", Plain, 20),
    ("csk-", Plain, 20),
    ("hf_", Plain, 16),
    ("api_org_", Plain, 20),
    ("pplx-", Plain, 16),
    ("xai-", Plain, 16),
    ("r8_", Plain, 20),
    ("fw_", Plain, 16),
    ("pa-", Mixed, 38),
    ("tgp_v1_", Joined, 24),
    ("pcsk_", Joined, 20),
    ("nvapi-", Joined, 20),
    ("lsv2_pt_", Joined, 20),
    ("lsv2_sk_", Joined, 20),
    ("tvly-", Joined, 16),
    ("jina_", Joined, 20),
    ("key_", Plain, 24),
    ("key-", Plain, 32),
    ("fc-", Plain, 32),
    // Clouds, code and packages.
    ("ghp_", Plain, 16),
    ("gho_", Plain, 16),
    ("ghu_", Plain, 16),
    ("ghs_", Plain, 16),
    ("ghr_", Plain, 16),
    ("github_pat_", Joined, 16),
    ("glpat-", Joined, 16),
    ("gldt-", Joined, 16),
    ("glrt-", Joined, 16),
    ("glptt-", Joined, 16),
    ("glft-", Joined, 16),
    ("glffct-", Joined, 16),
    ("glsoat-", Joined, 16),
    ("glcbt-", Joined, 16),
    ("glimt-", Joined, 16),
    ("gloas-", Joined, 16),
    ("glagent-", Joined, 16),
    ("npm_", Plain, 16),
    ("pypi-", Joined, 16),
    ("rubygems_", Plain, 20),
    ("CLOJARS_", Plain, 20),
    ("dckr_pat_", Joined, 16),
    ("dckr_oat_", Joined, 16),
    ("dop_v1_", Plain, 16),
    ("doo_v1_", Plain, 16),
    ("dor_v1_", Plain, 16),
    ("sbp_", Plain, 20),
    ("sb_secret_", Joined, 16),
    ("pscale_tkn_", Joined, 16),
    ("pscale_pw_", Joined, 16),
    ("pscale_oauth_", Joined, 16),
    ("dp.pt.", Plain, 20),
    ("dp.st.", Dotted, 20),
    ("dp.sa.", Plain, 20),
    ("dp.ct.", Plain, 20),
    ("hvs.", Joined, 20),
    ("hvb.", Joined, 20),
    ("pul-", Plain, 20),
    ("fo1_", Joined, 20),
    ("fm1_", Joined, 20),
    ("fm2_", Joined, 20),
    ("HRKU-", Joined, 20),
    ("bkua_", Plain, 20),
    ("pnu_", Plain, 20),
    ("tskey-", Joined, 20),
    ("dnkey-", Joined, 20),
    ("nfp_", Plain, 20),
    ("ya29.", Joined, 20),
    ("GOCSPX-", Joined, 16),
    ("dt0c01.", Dotted, 40),
    ("AGE-SECRET-KEY-1", Plain, 20),
    ("A3-", Joined, 28),
    ("ops_eyJ", Base64, 40),
    ("v1.0-", Joined, 100),
    // Talk, tickets, documents.
    ("xoxb-", Joined, 10),
    ("xoxa-", Joined, 10),
    ("xoxp-", Joined, 10),
    ("xoxr-", Joined, 10),
    ("xoxs-", Joined, 10),
    ("xoxe-", Joined, 10),
    ("xoxe.", Dotted, 10),
    ("xoxc-", Joined, 10),
    ("xoxd-", Joined, 10),
    ("xapp-", Joined, 10),
    ("secret_", Plain, 32),
    ("ntn_", Plain, 32),
    ("lin_api_", Plain, 16),
    ("lin_oauth_", Plain, 16),
    ("figd_", Joined, 20),
    ("figo_", Joined, 20),
    ("PMAK-", Joined, 24),
    ("rdme_", Plain, 32),
    ("tfp_", Joined, 32),
    ("sgp_", Joined, 20),
    ("sntrys_", Joined, 20),
    ("sntryu_", Joined, 20),
    ("glsa_", Joined, 16),
    ("glc_", Base64, 24),
    ("NRAK-", Plain, 20),
    ("NRJS-", Plain, 16),
    ("NRII-", Joined, 20),
    ("NRIQ-", Joined, 20),
    ("CFPAT-", Joined, 20),
    ("aio_", Plain, 20),
    ("ico-", Plain, 24),
    ("phx_", Plain, 24),
    ("apify_api_", Plain, 20),
    ("pat-na1-", Joined, 20),
    ("pat-eu1-", Joined, 20),
    // Money, mail and messages.
    ("rk_live_", Plain, 8),
    ("rk_test_", Plain, 8),
    ("pk_live_", Plain, 8),
    ("pk_test_", Plain, 8),
    ("pk.eyJ", Dotted, 40),
    ("whsec_", Base64, 16),
    ("shpat_", Plain, 16),
    ("shpss_", Plain, 16),
    ("shpca_", Plain, 16),
    ("shppa_", Plain, 16),
    ("sq0atp-", Joined, 16),
    ("sq0csp-", Joined, 16),
    ("sqOatp-", Joined, 16),
    ("rzp_live_", Plain, 12),
    ("rzp_test_", Plain, 12),
    ("duffel_live_", Joined, 20),
    ("duffel_test_", Joined, 20),
    ("FLWSECK_TEST-", Joined, 12),
    ("FLWSECK-", Joined, 12),
    ("shippo_live_", Plain, 20),
    ("shippo_test_", Plain, 20),
    ("xkeysib-", Joined, 20),
    ("SG.", Dotted, 24),
    ("re_", Mixed, 24),
    ("sl.", Joined, 40),
    ("sm_aat_", Plain, 16),
    ("sm_pat_", Plain, 16),
    ("sm_sat_", Plain, 16),
    ("sha256~", Joined, 40),
];

/// The first words of the prefixes: what the lexicon must know.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().map(|(prefix, ..)| {
        let end = prefix.find(|c: char| !c.is_ascii_alphanumeric());
        &prefix[..end.unwrap_or(prefix.len())]
    })
}

/// Whether all of `text` is a key that begins with a known word.
pub(in crate::detect) fn is_prefixed(text: &[u8]) -> bool {
    let known = |prefix: &str, least: usize| {
        let body = text.strip_prefix(prefix.as_bytes());
        body.is_some_and(|body| body.len() >= least && is_random(body))
    };
    let one = text.iter().all(|byte| is_key(*byte) || *byte == b'.');
    one && PREFIXES
        .iter()
        .any(|(prefix, _, least)| known(prefix, *least))
}

/// A key that begins with a known word, at byte `start`.
pub(in crate::detect) fn prefixed(scan: &mut Scan<'_>, start: usize) {
    let rest = &scan.text.bytes[start..];
    let Some((prefix, body, least)) = PREFIXES
        .iter()
        .find(|(prefix, ..)| rest.starts_with(prefix.as_bytes()))
    else {
        return;
    };
    let from = start + prefix.len();
    let mut end = scan.key_end(from).max(from);
    if matches!(body, Base64) {
        end = from + base64(&scan.text.bytes[from..]);
    }
    if matches!(body, Dotted) {
        for _ in 0..PARTS {
            if scan.text.byte(end) == b'.' && is_key(scan.text.byte(end + 1)) {
                end = scan.key_end(end + 1);
            }
        }
    }
    let text = &scan.text.bytes[from.min(end)..end];
    let found = match body {
        Plain => {
            let plain = text
                .iter()
                .take(*least)
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            plain == *least && text.iter().take(256).any(|byte| !byte.is_ascii_lowercase())
        }
        Mixed => {
            let any = |class: fn(&u8) -> bool| text.iter().take(64).any(class);
            text.len() >= *least
                && any(u8::is_ascii_uppercase)
                && any(u8::is_ascii_lowercase)
                && any(u8::is_ascii_digit)
        }
        Joined | Dotted | Base64 => {
            text.len() >= *least
                && (is_random(text)
                    || prefix.len() > 4 && text.iter().take(64).any(u8::is_ascii_uppercase))
        }
    };
    if found {
        scan.add(Find::new(start, end, Kind::ApiKey, "key_prefix"));
    }
}

/// How much of `rest` is base64; no key is longer than this.
pub(super) fn base64(rest: &[u8]) -> usize {
    rest.iter()
        .take(2048)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Mode;

    #[test]
    fn each_prefix_makes_a_find_of_its_own() {
        for (prefix, _, least) in PREFIXES {
            let key = format!("{prefix}{}", "Zk9aB3".repeat(least.div_ceil(6)));

            let finds = Scan::run(&key, &[Mode::Tag; Kind::COUNT], Vec::new());

            let found = finds.iter().map(|find| (find.rule, find.start, find.end));
            let whole = ("key_prefix", 0, key.len());
            assert_eq!(found.collect::<Vec<_>>(), [whole], "{prefix}");
        }
    }
}
