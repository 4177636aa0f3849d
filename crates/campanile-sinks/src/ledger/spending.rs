//! What was spent, followed day by day: only what has changed is read again.
//!
//! ```text
//!  day 22   day 23   day 24 (today)
//!  ██████   ██████   ████████░░░░▏      █ settled: calls that are over, summed once
//!    ▲                  ▲    ▲          ░ fresh: the last minutes, and calls that are open, summed each time
//!    └── the `day` row says that nothing has changed: not read
//! ```
//!
//! The ledger keeps for each UTC day what its parts should come to, changed in the same transaction as the parts. Where the
//! sums of both pieces do not come to that, something has changed further back (usage that came late, a process that recorded
//! old events), and the day is read anew. So the answer is exact, and its usual price is that of the last minutes. (One thing
//! is not seen: labels that come with the end of a call which was taken for dead.)

use super::{
    LedgerError, Reader,
    codec::Unpack,
    row::{Bounds, CallDetail},
    schema::day_of,
    store::{Dictionary, amount},
    sum::Sum,
};
use campanile_core::{Money, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Statement};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    path::Path,
};

/// Calls that were opened less than this ago are read each time.
const FRESH_US: i64 = 600_000_000;
/// Sessions come and go: names past this many are looked up again.
const KNOWN_SESSIONS: usize = 32 * 1024;

/// What one attempt cost, and whose it was.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Spend<'a> {
    /// When its call was opened.
    pub at: Timestamp,
    /// The stage of its call.
    pub stage: &'a str,
    /// The session of its call.
    pub session: Option<&'a str>,
    /// Who bills.
    pub provider: Option<&'a str>,
    /// The model.
    pub model: Option<&'a str>,
    /// Labels of its call; empty while the call is open, and where [`Spending::labels`] did not ask for them.
    pub labels: &'a [(&'a str, &'a str)],
    /// It costs no less than this.
    pub at_least: Money,
    /// It costs no more than this; `None`: nobody knows.
    pub at_most: Option<Money>,
    /// How many attempts have no upper bound: more than one only where it stands for calls that did not fit into memory.
    pub unbounded: u64,
    /// Whether the process that follows has recorded it itself.
    pub own: bool,
}

impl Spend<'_> {
    /// A cost at a moment, of which nothing else is known.
    #[must_use]
    pub fn new(at: Timestamp, at_least: Money, at_most: Option<Money>) -> Self {
        Self {
            at,
            stage: "",
            session: None,
            provider: None,
            model: None,
            labels: &[],
            at_least,
            at_most,
            unbounded: u64::from(at_most.is_none()),
            own: false,
        }
    }
}

/// Takes up what was spent.
pub trait Count: Default {
    /// What it needs to know to do so.
    type By;

    /// Counts one attempt.
    fn count(&mut self, by: &Self::By, spend: &Spend<'_>);
}

/// What the parts of a day come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    parts: i64,
    at_least: i128,
    more: i128,
    unbounded: i64,
}

impl Mark {
    fn add(&mut self, cost: Option<Bounds>) {
        self.parts += 1;
        let Some(cost) = cost else { return };
        self.at_least += cost.at_least.grains();
        match cost.more() {
            Some(more) => self.more += more.grains(),
            None => self.unbounded += 1,
        }
    }

    fn and(mut self, other: Mark) -> Self {
        self.parts += other.parts;
        self.at_least += other.at_least;
        self.more += other.more;
        self.unbounded += other.unbounded;
        self
    }
}

/// Sums, and what they should come to.
#[derive(Debug, Default)]
struct Piece<S> {
    sums: S,
    mark: Mark,
}

/// One UTC day.
#[derive(Debug)]
struct Day<S> {
    /// What it came to when it was read, and how many calls were over then.
    read: (Mark, i64),
    settled: Piece<S>,
    fresh: Piece<S>,
    /// Calls below this id are settled, but for those in `open`.
    until: u128,
    open: BTreeSet<u128>,
}

impl<S: Default> Day<S> {
    fn new(first: u128) -> Self {
        Self {
            read: (Mark::default(), 0),
            settled: Piece::default(),
            fresh: Piece::default(),
            until: first,
            open: BTreeSet::new(),
        }
    }
}

/// Follows what is spent in a ledger.
#[derive(Debug)]
pub struct Spending<S: Count> {
    reader: Reader,
    by: S::By,
    labels: bool,
    own: i64,
    days: BTreeMap<i64, Day<S>>,
    folds: S,
    names: Dictionary,
    sessions: HashMap<i64, Box<str>>,
}

impl<S: Count> Spending<S> {
    /// Opens a ledger for following; what `by` says decides how spends are counted.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn open(path: impl AsRef<Path>, by: S::By) -> Result<Self, LedgerError> {
        Ok(Self {
            reader: Reader::open(path)?,
            by,
            labels: false,
            own: i64::MIN,
            days: BTreeMap::new(),
            folds: S::default(),
            names: Dictionary::default(),
            sessions: HashMap::new(),
        })
    }

    /// Whether labels are wanted: they stand where reading costs more (default: no).
    #[must_use]
    pub fn labels(mut self, wanted: bool) -> Self {
        self.labels = wanted;
        self
    }

    /// Which run counts as one's [own](Spend::own), by [`Ledger::run`](super::Ledger::run) (default: none).
    #[must_use]
    pub fn own(mut self, run: i64) -> Self {
        self.own = run;
        self
    }

    /// How spends are counted.
    pub fn by(&self) -> &S::By {
        &self.by
    }

    /// Takes up what has changed among the calls that were opened since `since`. What came before is forgotten, but for
    /// the rest of its UTC day.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read. What was known stays.
    pub fn refresh(&mut self, since: Timestamp, now: Timestamp) -> Result<(), LedgerError> {
        let first = day_of(since.micros());
        self.days = self.days.split_off(&first);
        let Self {
            reader,
            by,
            labels,
            own,
            days,
            folds,
            names,
            sessions,
        } = self;
        if sessions.len() > KNOWN_SESSIONS {
            sessions.clear();
        }
        let mut read = |conn: &Connection| {
            let mut look = Look {
                conn,
                by,
                own: *own,
                labels: *labels,
                names,
                sessions,
            };
            for (number, mark, calls) in marks(conn, first)? {
                let begin = first_id(number * Timestamp::DAY_US);
                let day = days.entry(number).or_insert_with(|| Day::new(begin));
                if day.read != (mark, calls) {
                    look.day(number, day, mark, now)?;
                    day.read = (mark, calls);
                }
            }
            *folds = look.folds(since)?;
            Ok(())
        };
        let done = reader
            .conn
            .unchecked_transaction()
            .and_then(|view| read(&view));
        done.map_err(|error| LedgerError::sql(&reader.path, error))
    }

    /// The sums: to be added up.
    pub fn sums(&self) -> impl Iterator<Item = &S> + Clone {
        self.days
            .values()
            .flat_map(|day| [&day.settled.sums, &day.fresh.sums])
            .chain([&self.folds])
    }
}

/// The smallest id of a call that is opened at that moment or later.
fn first_id(micros: i64) -> u128 {
    u128::from(micros.div_euclid(1_000).max(0).unsigned_abs()) << 80
}

/// What the parts of each day should come to, and how many of its calls are over.
fn marks(conn: &Connection, first: i64) -> rusqlite::Result<Vec<(i64, Mark, i64)>> {
    let sql = "SELECT day, parts, at_least, more, unbounded, calls FROM day WHERE day >= ?1";
    conn.prepare_cached(sql)?
        .query_map([first], |row| {
            let grains = |column| -> rusqlite::Result<i128> {
                Ok(row.get_ref(column)?.as_str()?.parse().unwrap_or(0))
            };
            let mark = Mark {
                parts: row.get(1)?,
                at_least: grains(2)?,
                more: grains(3)?,
                unbounded: row.get(4)?,
            };
            Ok((row.get(0)?, mark, row.get(5)?))
        })?
        .collect()
}

/// One look at the ledger.
struct Look<'a, B> {
    conn: &'a Connection,
    by: &'a B,
    own: i64,
    labels: bool,
    names: &'a mut Dictionary,
    sessions: &'a mut HashMap<i64, Box<str>>,
}

/// The columns of a part and of its call.
struct Joined {
    call: u128,
    cost: Option<Bounds>,
    at: i64,
    stage: i64,
    session: Option<i64>,
    provider: Option<i64>,
    model: Option<i64>,
    run: i64,
    open: bool,
    body: Vec<u8>,
}

impl Joined {
    /// The columns of `SELECT`, in this order. A part without a call belongs to nobody.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let more: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let id: [u8; 16] = row.get(0)?;
        Ok(Self {
            call: u128::from_be_bytes(id),
            cost: amount(row.get(1)?, row.get(2)?, more.0.zip(more.1)),
            provider: row.get(5)?,
            model: row.get(6)?,
            at: row.get::<_, Option<i64>>(7)?.unwrap_or(0),
            stage: row.get::<_, Option<i64>>(8)?.unwrap_or(0),
            session: row.get(9)?,
            run: row.get::<_, Option<i64>>(10)?.unwrap_or(0),
            open: row.get(11)?,
            body: row.get::<_, Option<Vec<u8>>>(12)?.unwrap_or_default(),
        })
    }
}

impl<'a, B> Look<'a, B> {
    fn day<S: Count<By = B>>(
        &mut self,
        number: i64,
        day: &mut Day<S>,
        mark: Mark,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let ids = first_id(number * Timestamp::DAY_US)..first_id((number + 1) * Timestamp::DAY_US);
        let cut = first_id(now.micros().saturating_sub(FRESH_US));
        self.lately(day, &ids, cut)?;
        if day.settled.mark.and(day.fresh.mark) == mark {
            return Ok(());
        }
        *day = Day::new(ids.start);
        self.lately(day, &ids, cut)?;
        if day.settled.mark.and(day.fresh.mark) != mark {
            // Ids that do not tell the time of their call.
            *day = Day::new(ids.start);
            let all = self.select("p.day = ?1")?;
            self.parts({ all }.query([number])?, &mut day.fresh, None)?;
        }
        Ok(())
    }

    /// Reads what is not settled, and settles what will not change any more.
    fn lately<S: Count<By = B>>(
        &mut self,
        day: &mut Day<S>,
        ids: &Range<u128>,
        cut: u128,
    ) -> rusqlite::Result<()> {
        day.fresh = Piece::default();
        let mut one = self.select("p.call = ?1")?;
        for id in std::mem::take(&mut day.open) {
            let rows = one.query([id.to_be_bytes()])?;
            self.split(rows, day)?;
        }
        let cut = cut.clamp(day.until, ids.end);
        let mut range = self.select("p.call >= ?1 AND p.call < ?2")?;
        let rows = range.query([day.until.to_be_bytes(), cut.to_be_bytes()])?;
        self.split(rows, day)?;
        let rows = range.query([cut.to_be_bytes(), ids.end.to_be_bytes()])?;
        self.parts(rows, &mut day.fresh, None)?;
        day.until = cut;
        Ok(())
    }

    /// Parts of calls that are over are settled, the others stay fresh.
    fn split<S: Count<By = B>>(
        &mut self,
        rows: rusqlite::Rows<'_>,
        day: &mut Day<S>,
    ) -> rusqlite::Result<()> {
        let mut open = Vec::new();
        self.parts(rows, &mut day.settled, Some(&mut open))?;
        for part in open {
            day.open.insert(part.call);
            self.count(&part, &mut day.fresh)?;
        }
        Ok(())
    }

    /// Counts parts; those of open calls go to `open`, where it is asked for.
    fn parts<S: Count<By = B>>(
        &mut self,
        mut rows: rusqlite::Rows<'_>,
        into: &mut Piece<S>,
        mut open: Option<&mut Vec<Joined>>,
    ) -> rusqlite::Result<()> {
        while let Some(row) = rows.next()? {
            let part = Joined::read(row)?;
            match &mut open {
                Some(open) if part.open => open.push(part),
                _ => self.count(&part, into)?,
            }
        }
        Ok(())
    }

    fn count<S: Count<By = B>>(
        &mut self,
        part: &Joined,
        into: &mut Piece<S>,
    ) -> rusqlite::Result<()> {
        into.mark.add(part.cost);
        let Some(cost) = part.cost else { return Ok(()) };
        self.learn(part)?;
        let names = &*self.names;
        let name = |id: Option<i64>| id.and_then(|id| names.0.get(&id)).map(|name| &**name);
        let detail = detail(part, names).unwrap_or_default();
        let spend = Spend {
            stage: name(Some(part.stage)).unwrap_or_default(),
            session: part
                .session
                .and_then(|id| self.sessions.get(&id))
                .map(|name| &**name),
            provider: name(part.provider),
            model: name(part.model),
            labels: &detail.labels,
            own: part.run == self.own,
            ..Spend::new(Timestamp(part.at), cost.at_least, cost.at_most)
        };
        into.sums.count(self.by, &spend);
        Ok(())
    }

    /// Looks words up that are not known yet.
    fn learn(&mut self, part: &Joined) -> rusqlite::Result<()> {
        let names = [Some(part.stage), part.provider, part.model];
        let known = |id: &i64| self.names.0.contains_key(id);
        let known = names.iter().flatten().all(known) && detail(part, self.names).is_some();
        if !known {
            self.names.0 = dictionary(self.conn)?;
        }
        if let Some(id) = part.session.filter(|id| !self.sessions.contains_key(id)) {
            let sql = "SELECT name FROM session WHERE id = ?1";
            let name: Option<String> = self
                .conn
                .prepare_cached(sql)?
                .query_row([id], |row| row.get(0))
                .optional()?;
            self.sessions.insert(id, name.unwrap_or_default().into());
        }
        Ok(())
    }

    fn select(&self, which: &str) -> rusqlite::Result<Statement<'a>> {
        let body = if self.labels { "c.body" } else { "NULL" };
        self.conn.prepare(&format!(
            "SELECT p.call, p.pico, p.rest, p.more_pico, p.more_rest, p.provider, p.model,
                    coalesce(c.at, o.at), coalesce(c.stage, o.stage), coalesce(c.session, o.session),
                    coalesce(c.run, o.run), c.id IS NULL, {body}
             FROM part p LEFT JOIN call c ON c.id = p.call LEFT JOIN open o ON o.call = p.call
             WHERE {which} ORDER BY p.call, p.part"
        ))
    }

    /// Sums that stand for calls that did not fit into memory: nobody knows their sessions and labels any more.
    fn folds<S: Count<By = B>>(&mut self, since: Timestamp) -> rusqlite::Result<S> {
        let mut sums = S::default();
        let sql = "SELECT at, stage, provider, model, run, body FROM fold WHERE at >= ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([since.micros().saturating_sub(3_600_000_000)])?;
        while let Some(row) = rows.next()? {
            let Some(sum) = Sum::unpack(row.get_ref(5)?.as_blob()?) else {
                continue;
            };
            let part = Joined {
                call: 0,
                cost: Some(sum.cost),
                at: row.get(0)?,
                stage: row.get(1)?,
                session: None,
                provider: row.get(2)?,
                model: row.get(3)?,
                run: row.get(4)?,
                open: false,
                body: Vec::new(),
            };
            self.learn(&part)?;
            let name =
                |id: Option<i64>| id.and_then(|id| self.names.0.get(&id)).map(|name| &**name);
            let spend = Spend {
                stage: name(Some(part.stage)).unwrap_or_default(),
                provider: name(part.provider),
                model: name(part.model),
                unbounded: sum.unbounded,
                own: part.run == self.own,
                ..Spend::new(Timestamp(part.at), sum.cost.at_least, sum.cost.at_most)
            };
            sums.count(self.by, &spend);
        }
        Ok(sums)
    }
}

/// What the body of a call tells; `None` where it has a word that is not known.
fn detail<'p>(part: &'p Joined, names: &'p Dictionary) -> Option<CallDetail<'p>> {
    match part.body.is_empty() {
        true => Some(CallDetail::default()),
        false => CallDetail::unpack(&mut Unpack(&part.body), &names),
    }
}

fn dictionary(conn: &Connection) -> rusqlite::Result<HashMap<i64, Box<str>>> {
    conn.prepare_cached("SELECT id, text FROM name")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?.into_boxed_str()))
        })?
        .collect()
}
