//! Errors as providers write them, sorted into kinds.

use crate::json;
use campanile_core::{Failure, FailureKind, Name};

/// The failure in an error message of any family: `{"error": {…}}`, `{"error": "…"}`, or the error itself
/// (`{"message": …, "code": …}`, Deepgram's `err_code`, FastAPI's `detail`).
pub(crate) fn read(message: &str) -> Failure {
    let [error, detail] = json::pick(message, ["error", "detail"]);
    let inner = error
        .filter(|error| error.starts_with(['{', '"']))
        .or(detail.filter(|detail| detail.starts_with('{')))
        .unwrap_or(message);
    // A plain string says its kind beside it, if at all.
    if inner.starts_with('"') {
        let failure = classify(message);
        return match json::filled(inner) {
            // `{"error":"invalid_api_key"}`: the text is the code.
            Some(text) if failure.kind == FailureKind::Unknown && kind_of(&text).is_some() => {
                named(&text).because(text.into_owned())
            }
            Some(text) => failure.because(text.into_owned()),
            None => failure,
        };
    }
    classify(inner)
}

/// The failure in a body that is nothing but a complaint: `{"detail": "…"}`, `{"message": "…"}`.
pub(crate) fn complaint(message: &str) -> Option<Failure> {
    let [detail, text] = json::pick(message, ["detail", "message"]);
    let text = detail.or(text)?;
    text.starts_with(['"', '{', '[']).then(|| read(message))
}

/// The failure in an error object: its kind by the first of its fields that means one, its code the provider's own
/// word, or else its number.
fn classify(error: &str) -> Failure {
    let [
        code,
        err_code,
        error_code,
        status,
        kind,
        status_code,
        details,
    ] = json::pick(
        error,
        [
            "code",
            "err_code",
            "error_code",
            "status",
            "type",
            "status_code",
            "details",
        ],
    );
    // Google's details say which argument is invalid: a key is another matter than a prompt.
    let reason = details
        .and_then(json::first)
        .and_then(|detail| json::pick(detail, ["reason"])[0])
        .filter(|reason| json::text(reason).is_some_and(|word| kind_of(&word).is_some()));
    let said = [
        reason,
        code,
        err_code,
        error_code,
        status,
        kind,
        status_code,
    ];
    let said: Vec<Said> = said
        .iter()
        .flatten()
        .filter_map(|raw| Said::read(raw))
        .collect();
    let word = said.iter().find_map(Said::word);
    let number = said.iter().find_map(Said::number);
    let meaning = said.iter().find_map(Said::meaning);
    let failure = Failure::new(meaning.unwrap_or_default()).code(word.or(number));
    let [message, msg, err_msg, detail, reason, title, description] = json::pick(
        error,
        [
            "message",
            "msg",
            "err_msg",
            "detail",
            "reason",
            "title",
            "description",
        ],
    );
    let text = [message, err_msg, msg, detail, description, reason, title]
        .into_iter()
        .flatten()
        .find_map(json::filled);
    match text {
        Some(text) => failure.because(text.into_owned()),
        None => failure,
    }
}

/// What one field says.
enum Said {
    Word(String),
    Number(u64),
}

impl Said {
    fn read(raw: &str) -> Option<Self> {
        match json::filled(raw) {
            // Every message of an error is of that type.
            Some(word) if word.eq_ignore_ascii_case("error") => None,
            Some(word) => Some(match word.parse() {
                Ok(number) => Said::Number(number),
                Err(_) => Said::Word(word.into_owned()),
            }),
            None => json::count(raw).map(Said::Number),
        }
    }

    fn word(&self) -> Option<Name> {
        match self {
            Said::Word(word) => Name::outside(word),
            Said::Number(_) => None,
        }
    }

    fn number(&self) -> Option<Name> {
        match self {
            Said::Word(_) => None,
            Said::Number(number) => Name::outside(&number.to_string()),
        }
    }

    fn meaning(&self) -> Option<FailureKind> {
        match self {
            Said::Word(word) => kind_of(word),
            // Other numbers are a provider's own.
            Said::Number(number) => u16::try_from(*number)
                .ok()
                .filter(|status| *status < 600)
                .and_then(Failure::from_status)
                .map(|failure| failure.kind),
        }
    }
}

/// A failure of which the provider gave the code.
pub(crate) fn named(code: &str) -> Failure {
    Failure::new(kind_of(code).unwrap_or_default()).code(Name::outside(code))
}

/// What codes and types mean, in small letters, without what is neither letter nor digit, without `error` and
/// `exception` at their end. One table for all providers: none of them gives a word another meaning.
const MEANINGS: [(FailureKind, &[&str]); 9] = [
    (
        FailureKind::Authentication,
        &[
            "authentication",
            "invalidapikey",
            "invalidauthentication",
            "unauthenticated",
            "invalidauth",
            "unauthorized",
            "expiredtoken",
            "unrecognizedclient",
            "missingapikey",
            "apikeyinvalid",
            "quotanotauthenticated",
            "invalidcredentials",
            "tokenexpired",
            "incorrectapikey",
            "missingauthentication",
            "authenticationfailed",
            "notauthorised",
        ],
    ),
    (
        FailureKind::Authorization,
        &[
            "permission",
            "permissiondenied",
            "insufficientpermissions",
            "accessdenied",
            "forbidden",
            "accountdeactivated",
            "unsupportedcountryregionterritory",
            "missingpermissions",
        ],
    ),
    (
        FailureKind::Quota,
        &[
            "insufficientquota",
            "billing",
            "billinghardlimitreached",
            "billingnotactive",
            "servicequotaexceeded",
            "asrpaymentrequired",
            "paymentrequired",
            "quotaexceeded",
            "insufficientcredits",
            "insufficientfunds",
            "insufficientbalance",
            "insufficientmoney",
            "exceededcurrentquota",
        ],
    ),
    (
        FailureKind::RateLimit,
        &[
            "ratelimit",
            "ratelimitexceeded",
            "ratelimited",
            "toomanyrequests",
            "resourceexhausted",
            "throttling",
            "tokens",
            "requests",
            "toomanyconcurrentrequests",
            "concurrencylimitexceeded",
            "concurrencylimit",
        ],
    ),
    (
        FailureKind::Overloaded,
        &[
            "overloaded",
            "unavailable",
            "serviceunavailable",
            "engineoverloaded",
            "slowdown",
            "modelnotready",
            "systembusy",
            "systemoverloaded",
            "serveroverloaded",
            "overloadedmodel",
        ],
    ),
    (
        FailureKind::Timeout,
        &[
            "timeout",
            "deadlineexceeded",
            "modeltimeout",
            "requesttimeout",
            "net0001",
        ],
    ),
    (
        FailureKind::Server,
        &[
            "server",
            "internalserver",
            "internal",
            "api",
            "modelstream",
            "model",
            "serverinternal",
            "unknownserver",
            "backend",
            "vectorstoretimeout",
        ],
    ),
    (
        FailureKind::InvalidRequest,
        &[
            "invalidrequest",
            "badrequest",
            "notfound",
            "modelnotfound",
            "invalidargument",
            "failedprecondition",
            "outofrange",
            "contextlengthexceeded",
            "requesttoolarge",
            "validation",
            "resourcenotfound",
            "invalidvalue",
            "invalidtype",
            "unsupportedvalue",
            "unsupportedparameter",
            "unknownparameter",
            "missingrequiredparameter",
            "previousresponsenotfound",
            "conflict",
            "unprocessableentity",
            "unsupporteddata",
            "data0000",
            "invalidquery",
            "invalidparameter",
            "stringabovemaxlength",
            "modeldecommissioned",
            "jsonvalidatefailed",
            "tooluse",
            "toolusefailed",
            "invalidprompt",
            "invalidrequestprompt",
            "deploymentnotfound",
            "invalidrequestmessage",
            "contentpolicyviolation",
            "contentfilter",
            "invalidmodel",
            "modelnotavailable",
            "responsecancelnotactive",
            "conversationalreadyhasactiveresponse",
        ],
    ),
    (
        FailureKind::Connectivity,
        &["connection", "connectionreset", "connectionclosed"],
    ),
];

/// The kind that a provider's code or type means; `None` where it means nothing by itself.
fn kind_of(code: &str) -> Option<FailureKind> {
    if code.len() > 128 {
        return None;
    }
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|char| char.to_ascii_lowercase())
        .collect();
    let stem = plain
        .strip_suffix("exception")
        .or(plain.strip_suffix("error"))
        .unwrap_or(&plain);
    MEANINGS
        .iter()
        .find(|(_, words)| words.contains(&stem))
        .map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> (FailureKind, Option<String>, bool) {
        let failure = read(message);
        let code = failure.code.as_deref().map(str::to_owned);
        (failure.kind, code, failure.chain.is_empty())
    }

    #[test]
    fn each_family_has_its_shape() {
        for (message, kind, code) in [
            (
                r#"{"error":{"message":"no","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
                FailureKind::Quota,
                "insufficient_quota",
            ),
            (
                r#"{"error":{"message":"slow","type":"tokens","code":"rate_limit_exceeded"}}"#,
                FailureKind::RateLimit,
                "rate_limit_exceeded",
            ),
            (
                r#"{"error":{"message":"odd","type":"invalid_request_error","param":"model","code":"brand_new"}}"#,
                FailureKind::InvalidRequest,
                "brand_new",
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#,
                FailureKind::Overloaded,
                "overloaded_error",
            ),
            (
                r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#,
                FailureKind::RateLimit,
                "RESOURCE_EXHAUSTED",
            ),
            (
                r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
                FailureKind::Authentication,
                "API_KEY_INVALID",
            ),
            (
                r#"{"object":"error","code":"3210","type":"invalid_request_prompt","message":"m"}"#,
                FailureKind::InvalidRequest,
                "invalid_request_prompt",
            ),
            (
                r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}"#,
                FailureKind::Authentication,
                "INVALID_AUTH",
            ),
            (
                r#"{"type":"error","status_code":400,"error_code":"voice_x","message":"m","done":true}"#,
                FailureKind::InvalidRequest,
                "voice_x",
            ),
            (
                r#"{"detail":{"status":"quota_exceeded","message":"m"}}"#,
                FailureKind::Quota,
                "quota_exceeded",
            ),
            (
                r#"{"error":{"message":"m","status_code":400}}"#,
                FailureKind::InvalidRequest,
                "400",
            ),
        ] {
            assert_eq!(
                of(message),
                (kind, Some(code.to_owned()), false),
                "{message}"
            );
        }
    }

    #[test]
    fn a_complaint_alone_is_a_failure() {
        assert!(complaint(r#"{"detail":"Invalid API Key"}"#).is_some());
        assert_eq!(complaint(r#"{"model":"m"}"#), None);
    }

    #[test]
    fn a_message_is_never_a_code() {
        let failure = read(r#"{"error":"my card is 4111"}"#);

        assert_eq!((failure.kind, failure.code), (FailureKind::Unknown, None));
        assert_eq!(failure.chain.len(), 1);
    }
}
