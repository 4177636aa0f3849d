//! `[[webhook]]`: who is told of alerts over HTTP.

use crate::alerts;
use campanile_core::Name;
use serde::Deserialize;
use std::fmt;

/// The longest name of a webhook.
const NAME_BYTES: usize = 40;

/// An address that is told of alerts. It is a secret: it stands here, or in an environment variable.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// Its name: processes on one ledger that have a webhook of the same name stand in for one another.
    #[serde(default = "webhook")]
    pub name: String,
    /// The address.
    pub url: Option<String>,
    /// The environment variable that holds the address.
    pub url_env: Option<String>,
}

fn webhook() -> String {
    "webhook".to_owned()
}

/// The address is left out.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("url_env", &self.url_env)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// What is wrong with it, as far as that can be told without its environment.
    pub(super) fn check(&self) -> Result<(), String> {
        let name = Name::outside(&self.name).filter(|name| name.len() <= NAME_BYTES);
        if name.is_none_or(|name| name == alerts::LOG) {
            return Err(format!(
                "webhook `{}`: a `name` has at most {NAME_BYTES} letters, digits and . _ : - / @ + #, and is not `{}`",
                self.name,
                alerts::LOG
            ));
        }
        match (&self.url, &self.url_env) {
            (Some(url), None) if self.built(url).is_none() => Err(format!(
                "webhook `{}`: `url` is no address of HTTP (it is not shown here: it is a secret)",
                self.name
            )),
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(format!(
                "webhook `{}`: it has either a `url`, or a `url_env` that names the environment variable",
                self.name
            )),
        }
    }

    fn built(&self, url: &str) -> Option<alerts::Webhook> {
        alerts::Webhook::new(Name::outside(&self.name)?, url)
    }

    /// Ready to be used, with its address.
    ///
    /// # Errors
    ///
    /// When the environment variable is not there, or what it holds is no address.
    pub fn build(&self) -> Result<alerts::Webhook, String> {
        let url = match (&self.url, &self.url_env) {
            (Some(url), _) => url.clone(),
            (None, variable) => {
                let variable = variable.as_deref().unwrap_or_default();
                std::env::var(variable).map_err(|_| {
                    format!(
                        "webhook `{}`: the environment variable {variable} is not set",
                        self.name
                    )
                })?
            }
        };
        self.built(url.trim()).ok_or_else(|| {
            format!(
                "webhook `{}`: what its address should be is none of HTTP (it is not shown here: it is a secret)",
                self.name
            )
        })
    }
}
