use serde::{Deserialize, Serialize};

/// What a find is. Where two finds overlap, the kind that stands first in this list names the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A PEM private key, also an unfinished one.
    PrivateKey,
    /// A JSON web token.
    Jwt,
    /// User and password in a URL.
    UrlCredentials,
    /// A provider key, a bearer token, a secret named by what stands before it.
    ApiKey,
    /// A password or passphrase.
    Password,
    /// An e-mail address, written or spoken.
    Email,
    /// An international bank account number, written or spoken.
    Iban,
    /// A payment card number, written, spoken or with a misheard digit.
    Card,
    /// A wallet address.
    Crypto,
    /// A hardware address.
    Mac,
    /// An IPv4 or IPv6 address. Loopback and unspecified addresses are no finds.
    Ip,
    /// A United States social security number.
    Ssn,
    /// A phone number, written or spoken.
    Phone,
    /// A bank account or routing number.
    BankAccount,
    /// A driver licence number.
    DriverLicence,
    /// A date of birth.
    BirthDate,
    /// A PIN, a card's check value, a one-time code.
    AuthCode,
    /// A street address.
    Address,
    /// A person's name.
    Person,
    /// A long run of spoken digits of which nothing else is known.
    Number,
    /// What a rule or a word of the user found.
    Custom,
    /// Text that nobody looked at: over the scan limit, or a detector failed.
    Unscanned,
}

impl Kind {
    /// How many kinds there are: the length of a table indexed by [`Kind::index`].
    pub const COUNT: usize = 22;

    /// All kinds, in the order of [`Kind::index`].
    pub const ALL: [Self; Self::COUNT] = [
        Self::PrivateKey,
        Self::Jwt,
        Self::UrlCredentials,
        Self::ApiKey,
        Self::Password,
        Self::Email,
        Self::Iban,
        Self::Card,
        Self::Crypto,
        Self::Mac,
        Self::Ip,
        Self::Ssn,
        Self::Phone,
        Self::BankAccount,
        Self::DriverLicence,
        Self::BirthDate,
        Self::AuthCode,
        Self::Address,
        Self::Person,
        Self::Number,
        Self::Custom,
        Self::Unscanned,
    ];

    /// The kind's place in [`Kind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word of the kind's tag, without brackets: `CARD`. Stable: people grep for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PrivateKey => "PRIVATE_KEY",
            Self::Jwt => "JWT",
            Self::UrlCredentials => "CREDENTIALS",
            Self::ApiKey => "KEY",
            Self::Password => "PASSWORD",
            Self::Email => "EMAIL",
            Self::Iban => "IBAN",
            Self::Card => "CARD",
            Self::Crypto => "WALLET",
            Self::Mac => "MAC",
            Self::Ip => "IP",
            Self::Ssn => "SSN",
            Self::Phone => "PHONE",
            Self::BankAccount => "ACCOUNT",
            Self::DriverLicence => "LICENCE",
            Self::BirthDate => "BIRTH_DATE",
            Self::AuthCode => "CODE",
            Self::Address => "ADDRESS",
            Self::Person => "NAME",
            Self::Number => "NUMBER",
            Self::Custom => "CUSTOM",
            Self::Unscanned => "UNSCANNED",
        }
    }

    /// The kind whose tag has this word, in any case: `card`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word().eq_ignore_ascii_case(word))
    }

    /// What stands in the text instead of a find of this kind: `[CARD]`.
    #[must_use]
    pub fn tag(self) -> String {
        format!("[{}]", self.word())
    }

    /// The kind's name in labelled corpora: `CREDIT_CARD`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::UrlCredentials => "URL_CREDENTIALS",
            Self::ApiKey => "API_KEY",
            Self::Card => "CREDIT_CARD",
            Self::Mac => "MAC_ADDRESS",
            Self::Ip => "IP_ADDRESS",
            Self::Crypto => "CRYPTO",
            Self::Ssn => "US_SSN",
            Self::BankAccount => "BANK_ACCOUNT",
            Self::DriverLicence => "DRIVER_LICENSE",
            Self::BirthDate => "DATE_OF_BIRTH",
            Self::AuthCode => "AUTH_CODE",
            Self::Person => "PERSON",
            other => other.word(),
        }
    }

    /// Lower is surer: where two finds overlap, the surer one names the whole.
    pub(crate) const fn surety(self) -> usize {
        match self {
            Self::Unscanned => 0,
            Self::Custom => 1,
            other => other.index() + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_index_and_has_its_own_tag() {
        let mut tags: Vec<_> = Kind::ALL.iter().map(|kind| kind.tag()).collect();
        tags.sort();
        tags.dedup();

        assert!(
            Kind::ALL
                .iter()
                .enumerate()
                .all(|(at, kind)| kind.index() == at)
        );
        assert_eq!(tags.len(), Kind::COUNT);
    }
}
