//! Words and their numbers.

use crate::ledger::{
    codec::{Pack, Unpack},
    numbers::Numbers,
    row::{GetWords, PutWords},
    schema::{Seal, Val},
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Numbers of words, made where there are none.
pub(super) struct Names<'a> {
    pub(super) cache: &'a mut Numbers,
    pub(super) conn: &'a Connection,
    pub(super) seal: Seal,
}

impl Names<'_> {
    pub(super) fn id(&mut self, text: &str) -> rusqlite::Result<i64> {
        if let Some(&id) = self.cache.get(text) {
            return Ok(id);
        }
        let known = self
            .conn
            .prepare_cached("SELECT id FROM name WHERE text = ?1")?;
        let known = { known }.query_row([text], |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let next = "SELECT coalesce(max(id), 0) + 1 FROM name";
                let id: i64 = self
                    .conn
                    .prepare_cached(next)?
                    .query_row([], |row| row.get(0))?;
                let row = [Val::Int(id), Val::Text(text)];
                let crc = self.seal.of(&row);
                self.conn
                    .prepare_cached("INSERT INTO name VALUES(?1, ?2, ?3)")?
                    .execute((id, text, crc))?;
                id
            }
        };
        self.cache.insert(text.into(), id);
        Ok(id)
    }

    pub(super) fn maybe(&mut self, text: Option<&str>) -> rusqlite::Result<Option<i64>> {
        text.map(|text| self.id(text)).transpose()
    }
}

impl PutWords for Names<'_> {
    type Error = rusqlite::Error;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> rusqlite::Result<()> {
        let id = self.id(text)?;
        Pack::uint(out, id as u64);
        Ok(())
    }
}

/// Words of rows, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Dictionary(pub(crate) HashMap<i64, Box<str>>);

impl Dictionary {
    /// Words of bodies and columns.
    pub(crate) fn names(conn: &Connection) -> rusqlite::Result<Self> {
        Self::read(conn, "SELECT * FROM name", [])
    }

    /// Names of sessions.
    pub(crate) fn sessions(conn: &Connection) -> rusqlite::Result<Self> {
        Self::read(conn, "SELECT * FROM session", [])
    }

    /// The name of one session, or of none.
    pub(crate) fn session(conn: &Connection, id: Option<i64>) -> rusqlite::Result<Self> {
        Self::read(conn, "SELECT * FROM session WHERE id = ?1", [id])
    }

    /// Words whose rows are as they were written: a word that was damaged is no word.
    fn read(conn: &Connection, sql: &str, which: impl rusqlite::Params) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare_cached(sql)?;
        let crc = statement.column_count() - 1;
        let mut seal = Seal::default();
        let mut rows = statement.query(which)?;
        let mut words = HashMap::new();
        while let Some(row) = rows.next()? {
            if seal.holds(row, crc)? {
                words.insert(row.get(0)?, row.get::<_, String>(1)?.into_boxed_str());
            }
        }
        Ok(Self(words))
    }

    pub(crate) fn get(&self, id: i64) -> Option<&str> {
        self.0.get(&id).map(|text| &**text)
    }

    /// The number of a word.
    pub(crate) fn id(&self, text: &str) -> Option<i64> {
        let known = self.0.iter().find(|(_, known)| ***known == *text);
        known.map(|(id, _)| *id)
    }
}

impl<'a> GetWords<'a> for &'a Dictionary {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str> {
        let id = i64::try_from(from.uint()?).ok()?;
        self.0.get(&id).map(|text| &**text)
    }
}
