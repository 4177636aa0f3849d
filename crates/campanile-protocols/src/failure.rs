//! Errors as providers write them, sorted into kinds.

use crate::json;
use campanile_core::{Failure, FailureKind, Name};

/// The failure in an error message of any family: `{"error": {…}}`, `{"error": "…"}`, or the error itself
/// (`{"message": …, "code": …}`, Deepgram's `err_code`, FastAPI's `detail`).
pub(crate) fn read(message: &str) -> Failure {
    let [error, detail, kind] = json::pick(message, ["error", "detail", "type"]);
    let inner = error
        .filter(|error| error.starts_with(['{', '"']))
        .or(detail.filter(|detail| detail.starts_with('{')))
        .unwrap_or(message);
    // Anthropic writes `{"type":"error","error":{"type":…}}`; a plain string says its kind outside.
    if inner.starts_with('"') {
        let failure = classify(message, &[kind]);
        return match json::filled(inner) {
            // `{"error":"invalid_api_key"}`: the text is the code.
            Some(text) if failure.kind == FailureKind::Unknown && kind_of(&text).is_some() => {
                named(&text).because(text.into_owned())
            }
            Some(text) => failure.because(text.into_owned()),
            None => failure,
        };
    }
    classify(inner, &[])
}

/// The failure in a body that is nothing but a complaint: `{"detail": "…"}`, `{"message": "…"}`.
pub(crate) fn complaint(message: &str) -> Option<Failure> {
    let [detail, text] = json::pick(message, ["detail", "message"]);
    let text = detail.or(text)?;
    text.starts_with(['"', '{', '[']).then(|| read(message))
}

/// The failure in an error object, by the first of its fields that says a kind.
fn classify(error: &str, more: &[Option<&str>]) -> Failure {
    let [code, kind, status, status_code, err_code, error_code] = json::pick(
        error,
        [
            "code",
            "type",
            "status",
            "status_code",
            "err_code",
            "error_code",
        ],
    );
    let said = [code, err_code, error_code, kind, status, status_code];
    let mut failure = Failure::new(FailureKind::Unknown);
    let told = said
        .into_iter()
        .chain(more.iter().copied())
        .flatten()
        .filter_map(field);
    for told in told {
        // The first code that means something; else at least the first code.
        if told.kind != FailureKind::Unknown {
            failure = told;
            break;
        }
        if failure.code.is_none() {
            failure = told;
        }
    }
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

/// What one field says: a code in words, or an HTTP status.
fn field(raw: &str) -> Option<Failure> {
    if let Some(text) = json::filled(raw) {
        return match text.parse::<u16>() {
            Ok(status) => Failure::from_status(status),
            Err(_) => Some(named(&text)),
        };
    }
    let status = u16::try_from(json::count(raw)?).ok()?;
    Failure::from_status(status).filter(|_| status < 600)
}

/// A failure of which the provider gave the code.
pub(crate) fn named(code: &str) -> Failure {
    Failure::new(kind_of(code).unwrap_or_default()).code(Name::outside(code))
}

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
    use FailureKind as Kind;
    Some(match stem {
        "authentication"
        | "invalidapikey"
        | "invalidauthentication"
        | "unauthenticated"
        | "invalidauth"
        | "unauthorized"
        | "expiredtoken"
        | "unrecognizedclient"
        | "missingapikey"
        | "quotanotauthenticated"
        | "invalidcredentials"
        | "tokenexpired"
        | "incorrectapikey"
        | "missingauthentication"
        | "authenticationfailed"
        | "notauthorised" => Kind::Authentication,
        "permission"
        | "permissiondenied"
        | "insufficientpermissions"
        | "accessdenied"
        | "forbidden"
        | "accountdeactivated"
        | "unsupportedcountryregionterritory"
        | "missingpermissions" => Kind::Authorization,
        "insufficientquota"
        | "billing"
        | "billinghardlimitreached"
        | "billingnotactive"
        | "servicequotaexceeded"
        | "asrpaymentrequired"
        | "paymentrequired"
        | "quotaexceeded"
        | "insufficientcredits"
        | "insufficientfunds"
        | "insufficientbalance"
        | "insufficientmoney"
        | "exceededcurrentquota" => Kind::Quota,
        "ratelimit"
        | "ratelimitexceeded"
        | "ratelimited"
        | "toomanyrequests"
        | "resourceexhausted"
        | "throttling"
        | "tokens"
        | "requests"
        | "toomanyconcurrentrequests"
        | "concurrencylimitexceeded"
        | "concurrencylimit" => Kind::RateLimit,
        "overloaded" | "unavailable" | "serviceunavailable" | "engineoverloaded" | "slowdown"
        | "modelnotready" | "systembusy" | "systemoverloaded" | "serveroverloaded"
        | "overloadedmodel" => Kind::Overloaded,
        "timeout" | "deadlineexceeded" | "modeltimeout" | "requesttimeout" | "net0001" => {
            Kind::Timeout
        }
        "server" | "internalserver" | "internal" | "api" | "modelstream" | "model"
        | "serverinternal" | "unknownserver" | "backend" | "vectorstoretimeout" => Kind::Server,
        "invalidrequest"
        | "badrequest"
        | "notfound"
        | "modelnotfound"
        | "invalidargument"
        | "failedprecondition"
        | "outofrange"
        | "contextlengthexceeded"
        | "requesttoolarge"
        | "validation"
        | "resourcenotfound"
        | "invalidvalue"
        | "invalidtype"
        | "unsupportedvalue"
        | "unsupportedparameter"
        | "unknownparameter"
        | "missingrequiredparameter"
        | "previousresponsenotfound"
        | "conflict"
        | "unprocessableentity"
        | "unsupporteddata"
        | "data0000"
        | "invalidquery"
        | "invalidparameter"
        | "stringabovemaxlength"
        | "modeldecommissioned"
        | "jsonvalidatefailed"
        | "tooluse"
        | "toolusefailed"
        | "invalidprompt"
        | "invalidrequestmessage"
        | "contentpolicyviolation"
        | "contentfilter"
        | "invalidmodel"
        | "modelnotavailable"
        | "responsecancelnotactive"
        | "conversationalreadyhasactiveresponse" => Kind::InvalidRequest,
        "connection" | "connectionreset" | "connectionclosed" => Kind::Connectivity,
        _ => return None,
    })
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
                "invalid_request_error",
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#,
                FailureKind::Overloaded,
                "overloaded_error",
            ),
            (
                r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#,
                FailureKind::RateLimit,
                "429",
            ),
            (
                r#"{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}"#,
                FailureKind::Authentication,
                "INVALID_AUTH",
            ),
            (
                r#"{"type":"error","status_code":400,"error_code":"voice_x","message":"m","done":true}"#,
                FailureKind::InvalidRequest,
                "400",
            ),
            (
                r#"{"detail":{"status":"quota_exceeded","message":"m"}}"#,
                FailureKind::Quota,
                "quota_exceeded",
            ),
            (
                r#"{"error":{"message":"m","status_code":400,"type":"x"}}"#,
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
