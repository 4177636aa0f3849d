//! Alerts: raised once, whoever sees them first, and owed to those who are to be told until they have been.
//!
//! Both stand in the ledger, written in one transaction: a process that dies between raising an alert and telling it leaves the
//! debt behind, and whoever has the same target takes it over once its time is up. So each target is told at least
//! once; the alert's id says that it is the same alert.

use super::{
    Durability, LedgerError, Reader, patiently, schema,
    schema::{Seal, Val},
};
use campanile_core::{AlertEvent, Name, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};

/// Raises alerts in a ledger, on a connection of its own: it waits for the disk, on the thread that calls.
#[derive(Debug)]
pub struct AlertBook {
    conn: Connection,
    path: PathBuf,
}

/// Who is to be told of an alert, and not before when.
pub type Target = (Name, Timestamp);

/// An alert that somebody is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owed {
    /// The id of the alert.
    pub id: String,
    /// The alert, as it was raised, in JSON.
    pub json: String,
    /// How often it was tried, this time included.
    pub tries: u32,
}

impl Owed {
    /// An alert that nobody has tried to tell yet.
    #[must_use]
    pub fn new(id: String, json: String) -> Self {
        Self { id, json, tries: 0 }
    }
}

impl AlertBook {
    /// Opens the alerts of a ledger; makes the ledger where there is none.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, is something else, or is newer.
    pub fn open(path: impl AsRef<Path>, durability: Durability) -> Result<Self, LedgerError> {
        let path = path.as_ref();
        super::make_folder(path)?;
        let conn = patiently(|| schema::open(path, durability))?;
        Ok(Self {
            conn,
            path: path.to_owned(),
        })
    }

    /// Raises an alert, if its id is new, and notes who is to be told, and not before when. Whether it was new.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written. Nothing is raised then.
    pub fn raise(&mut self, alert: &AlertEvent, targets: &[Target]) -> Result<bool, LedgerError> {
        self.write(|tx| insert(tx, alert, targets))
    }

    /// Raises an alert that may come again, unless the same was raised after `quiet_since`. It gets a number behind its id;
    /// `None`: it was raised before.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written. Nothing is raised then.
    pub fn raise_again(
        &mut self,
        mut alert: AlertEvent,
        quiet_since: Timestamp,
        targets: &[Target],
    ) -> Result<Option<AlertEvent>, LedgerError> {
        self.write(|tx| {
            let (before, last) = raised(tx, &alert.id)?;
            if last.is_some_and(|last| last > quiet_since.micros()) {
                return Ok(None);
            }
            let id = Name::outside(&format!("{}#{}", alert.id, before + 1));
            alert.id = id.unwrap_or_else(|| alert.id.clone());
            Ok(insert(tx, &alert, targets)?.then_some(alert))
        })
    }

    /// Takes an alert that `target` is to be told, the oldest first, if its time has come; until `until` nobody else will.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written.
    pub fn claim(
        &mut self,
        target: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Owed>, LedgerError> {
        // A look first: it takes no lock, and there is nearly never anything.
        let due = "SELECT alert, json, tries FROM owed JOIN alert ON id = alert
                   WHERE target = ?1 AND due <= ?2 ORDER BY due, alert";
        let look = |conn: &Connection| {
            conn.prepare_cached(due)?
                .query_row((target, now.micros()), |row| {
                    Ok(Owed {
                        id: row.get(0)?,
                        json: row.get(1)?,
                        tries: row.get::<_, u32>(2)?.saturating_add(1),
                    })
                })
                .optional()
        };
        let nothing = look(&self.conn).map(|owed| owed.is_none());
        if nothing.map_err(|error| LedgerError::sql(&self.path, error))? {
            return Ok(None);
        }
        self.write(|tx| {
            let owed = look(tx)?;
            if let Some(owed) = &owed {
                let sql = "UPDATE owed SET due = ?3, tries = ?4 WHERE alert = ?1 AND target = ?2";
                tx.execute(sql, (&owed.id, target, until.micros(), owed.tries))?;
            }
            Ok(owed)
        })
    }

    /// Puts the next try off. Nobody tries before.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written.
    pub fn put_off(&mut self, id: &str, target: &str, due: Timestamp) -> Result<(), LedgerError> {
        self.write(|tx| {
            let sql = "UPDATE owed SET due = ?3 WHERE alert = ?1 AND target = ?2";
            tx.execute(sql, (id, target, due.micros())).map(|_| ())
        })
    }

    /// Notes that `target` was told, or that it never will be.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be written: it will be told again.
    pub fn told(&mut self, id: &str, target: &str) -> Result<(), LedgerError> {
        self.write(|tx| {
            let sql = "DELETE FROM owed WHERE alert = ?1 AND target = ?2";
            tx.execute(sql, (id, target)).map(|_| ())
        })
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let Self { conn, path } = self;
        let written = conn
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|tx| {
                let done = write(&tx)?;
                tx.commit().map(|()| done)
            });
        written.map_err(|error| LedgerError::sql(path, error))
    }
}

/// Writes an alert that is not there, and who is to be told.
fn insert(tx: &Transaction<'_>, alert: &AlertEvent, targets: &[Target]) -> rusqlite::Result<bool> {
    let json = serde_json::to_string(alert).unwrap_or_default();
    let at = alert.at.micros();
    let row = [Val::Text(&alert.id), Val::Int(at), Val::Text(&json)];
    let crc = Seal::default().of(&row);
    let sql = "INSERT INTO alert VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING";
    let new = tx.execute(sql, (alert.id.as_str(), at, &json, crc))? > 0;
    for (target, due) in targets.iter().filter(|_| new) {
        let sql = "INSERT INTO owed VALUES(?1,?2,?3,0) ON CONFLICT DO NOTHING";
        tx.execute(sql, (alert.id.as_str(), target.as_str(), due.micros()))?;
    }
    Ok(new)
}

/// How often an alert of that stem was raised, and when last.
fn raised(conn: &Connection, stem: &str) -> rusqlite::Result<(i64, Option<i64>)> {
    let sql = "SELECT count(*), max(at) FROM alert WHERE id > ?1 || '#' AND id < ?1 || '$'";
    conn.prepare_cached(sql)?
        .query_row([stem], |row| Ok((row.get(0)?, row.get(1)?)))
}

impl Reader {
    /// Who is still to be told of alerts: ids and targets.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn owed(&self) -> Result<Vec<(String, String)>, LedgerError> {
        let read = || -> rusqlite::Result<Vec<(String, String)>> {
            self.conn
                .prepare("SELECT alert, target FROM owed ORDER BY alert, target")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        read().map_err(|error| LedgerError::sql(&self.path, error))
    }
}
