//! The options in a URL.

/// The pairs of a query string, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&');
        Self(
            pairs
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name)?;
        Some(&pair.1)
    }
}

/// Undoes percent-encoding; what is none stays as it is.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail
            .get(..2)
            .filter(|_| byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, byte) {
            (Some(byte), _) => {
                rest = &tail[2..];
                out.push(byte);
            }
            (None, b'+') => out.push(b' '),
            (None, byte) => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_nonsense_survives() {
        let query = Query::parse(Some("a=x%20y+z&b&a=2&%63=%zz%&&d=%C3%A9%"));

        assert_eq!(query.get("a"), Some("x y z"));
        assert_eq!(query.get("b"), Some(""));
        assert_eq!(query.get("c"), Some("%zz%"));
        assert_eq!(query.get("d"), Some("é%"));
        assert_eq!(Query::parse(None).get("a"), None);
    }
}
