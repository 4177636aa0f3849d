//! `campanile logs [TEXT]`: lines of the log files.

mod pretty;
mod show;

use crate::{
    Io,
    fault::Fault,
    moment::Moment,
    settings::Settings,
    table::{counted, grouped},
    text,
};
use campanile_core::{Level, SCHEMA_VERSION, Timestamp};
use campanile_search::{Follow, Line, Query, Tally, Trouble};
use serde_json::json;
pub(super) use show::Shown;
use std::collections::VecDeque;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
The newest line stands last. All conditions must hold. Times are UTC. A line that is torn, or of another program, is shown as \
it is, with the time of the line before it; how many there were is told at the end.

Examples:
  campanile logs --since 2h --level warn
  campanile logs --session 05d4a766                    the last eight digits do
  campanile logs rate_limit --stage llm --context 3
  campanile logs --from '2025-10-29 14:30' --until '2025-10-29 14:31' --count
  campanile logs --regex '\"code\":\"5\\d\\d\"' --field provider=openai
  campanile logs --follow --level error
  campanile logs --format json --since 1d | jq -r .session | sort | uniq -c";

/// How often new lines are looked for.
const LOOK: Duration = Duration::from_millis(200);
/// What `--follow` begins with.
const FOLLOWED: usize = 10;

/// Finds lines in the log files, and follows them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// Only lines that hold this text.
    text: Option<String>,
    /// TEXT is a regular expression.
    #[arg(long, short = 'E', requires = "text")]
    regex: bool,
    /// TEXT in small or capital letters.
    #[arg(long, short = 'i', requires = "text")]
    ignore_case: bool,
    /// Only lines of this moment or later: RFC 3339, "2025-10-29 14:30" (UTC), or 90s, 30m, 2h, 7d, 4w ago.
    #[arg(long, visible_alias = "from", value_parser = Moment::parse, value_name = "MOMENT")]
    since: Option<Moment>,
    /// Only lines before this moment.
    #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
    until: Option<Moment>,
    /// Only lines that matter at least so much.
    #[arg(long, value_parser = level, value_name = "LEVEL")]
    level: Option<Level>,
    /// Only lines of this stage.
    #[arg(long)]
    stage: Option<String>,
    /// Only lines of this session: its id, or the last eight digits of an id of ours.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only lines of the turn of this number.
    #[arg(long, value_name = "N")]
    turn: Option<u32>,
    /// Only lines of this call.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Only lines that the program wrote under this target, or a module of it.
    #[arg(long)]
    target: Option<String>,
    /// Only lines with this field: a name, or a path such as failure.kind; with =VALUE, where it says so. Again for more.
    #[arg(long, value_name = "KEY[=VALUE]")]
    field: Vec<String>,
    /// So many lines of the same file before and after each.
    #[arg(
        long,
        short = 'C',
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "follow"
    )]
    context: usize,
    /// How many lines there are, and not which.
    #[arg(long, short = 'c', conflicts_with_all = ["follow", "context", "last"])]
    count: bool,
    /// Only the last so many.
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<usize>,
    /// Goes on with new lines as they are written, whatever becomes of the files. Begins with the last 10 unless --since or --last
    /// is given.
    #[arg(long, short = 'f')]
    follow: bool,
    /// How to print a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// A file, or a folder of them. Default: the one of the configuration, else logs. Again for more.
    #[arg(long, value_name = "PATH")]
    logs: Vec<PathBuf>,
}

/// How a line is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// In columns, for people.
    #[default]
    Pretty,
    /// One JSON object each, for programs; what is no event of ours as {"event":"foreign","text":…}.
    Json,
    /// As it stands in the file; what a terminal could obey is escaped where it would.
    Raw,
}

fn level(name: &str) -> Result<Level, String> {
    let known = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
    ];
    let found = known
        .into_iter()
        .find(|level| level.name() == name.to_lowercase());
    found.ok_or_else(|| "a level is trace, debug, info, warn or error".to_owned())
}

impl Logs {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let query = self.query(io.now)?;
        let places = self.places(settings)?;
        if self.count {
            return self.counted(&places, &query, io);
        }
        match self.follow {
            true => self.followed(&places, &query, io),
            false => self.found(&places, &query, io),
        }
    }

    fn places(&self, settings: &Settings) -> Result<Vec<PathBuf>, Fault> {
        match self.logs.is_empty() {
            true => Ok(vec![settings.logs()?]),
            false => Ok(self.logs.clone()),
        }
    }

    fn query(&self, now: Timestamp) -> Result<Query, Fault> {
        let mut query = Query::default().context(self.context);
        let (since, until) = super::which::ends(self.since, self.until, now)?;
        if let Some(since) = since {
            query = query.since(since);
        }
        if let Some(until) = until {
            query = query.until(until);
        }
        if let Some(text) = &self.text {
            query = self.text(query, text)?;
        }
        if let Some(level) = self.level {
            query = query.level(level);
        }
        if let Some(stage) = &self.stage {
            query = query.stage(stage);
        }
        if let Some(session) = &self.session {
            query = query.session(session);
        }
        if let Some(turn) = self.turn {
            query = query.turn(turn);
        }
        if let Some(call) = &self.call {
            query = query.call(call);
        }
        if let Some(target) = &self.target {
            query = query.target(target);
        }
        for field in &self.field {
            query = match field.split_once('=') {
                Some((key, value)) => query.field(key, Some(value)),
                None => query.field(field, None),
            };
        }
        Ok(query)
    }

    fn text(&self, query: Query, text: &str) -> Result<Query, Fault> {
        let bad = |error| Fault::Usage(format!("`{text}` is no regular expression: {error}"));
        match (self.regex, self.ignore_case) {
            (true, any_case) => query.regex(text, any_case).map_err(bad),
            (false, true) => query.text_in_any_case(text).map_err(bad),
            (false, false) => Ok(query.text(text)),
        }
    }

    fn counted(&self, places: &[PathBuf], query: &Query, io: &mut Io<'_>) -> Result<(), Fault> {
        let tally = campanile_search::count(places, query).map_err(no_place)?;
        match self.format {
            Format::Json => {
                let document = json!({
                    "v": SCHEMA_VERSION,
                    "lines": tally.matched,
                    "foreign": tally.foreign,
                    "files": tally.files,
                });
                writeln!(io.out, "{}", text::json(&document))?;
            }
            _ => writeln!(io.out, "{}", tally.matched)?,
        }
        finish(&tally, tally.foreign, io)
    }

    fn found(&self, places: &[PathBuf], query: &Query, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut shown = Shown::new(self.format, self.context > 0, io.terminal);
        let tally = match self.last {
            None => {
                let mut broken = None;
                let tally = campanile_search::search(places, query, |line| {
                    keep(shown.line(line, &mut io.out), &mut broken)
                });
                broken.map_or(Ok(()), Err)?;
                tally
            }
            Some(last) => {
                let mut kept = Last::new(last);
                let tally = campanile_search::search(places, query, |line| kept.push(line));
                kept.show(&mut shown, &mut io.out)?;
                tally
            }
        };
        let tally = tally.map_err(no_place)?;
        if tally.matched == 0 && io.terminal.out {
            let files = counted(tally.files as u64, "file");
            let _ = writeln!(io.err, "no such line in {files}");
        }
        let foreign = match self.format {
            Format::Raw => tally.foreign,
            _ => shown.foreign,
        };
        finish(&tally, foreign, io)
    }

    fn followed(&self, places: &[PathBuf], query: &Query, io: &mut Io<'_>) -> Result<(), Fault> {
        let mut shown = Shown::new(self.format, false, io.terminal);
        let mut last = match (self.last, self.since) {
            (None, Some(_)) => Last::new(usize::MAX),
            (last, _) => Last::new(last.unwrap_or(FOLLOWED)),
        };
        let (mut follow, tally) =
            Follow::start(places, query, |line| last.push(line)).map_err(no_place)?;
        last.show(&mut shown, &mut io.out)?;
        for trouble in &tally.troubles {
            tell(trouble, io);
        }
        loop {
            io.out.flush()?;
            std::thread::sleep(LOOK);
            let mut broken = None;
            let looked = follow.look(|line| keep(shown.line(line, &mut io.out), &mut broken));
            broken.map_or(Ok(()), Err)?;
            // A folder that was moved away is made again by who writes there.
            for trouble in looked.iter().flat_map(|tally| &tally.troubles) {
                tell(trouble, io);
            }
        }
    }
}

/// A line that cannot be written ends the search.
fn keep(written: std::io::Result<()>, broken: &mut Option<std::io::Error>) -> ControlFlow<()> {
    match written {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *broken = Some(error);
            ControlFlow::Break(())
        }
    }
}

/// The last lines, until it is known which they are.
struct Last {
    most: usize,
    lines: VecDeque<Kept>,
}

/// A line that outlives the search.
struct Kept {
    bytes: Vec<u8>,
    line: show::Where,
}

impl Last {
    fn new(most: usize) -> Self {
        Self {
            most,
            lines: VecDeque::new(),
        }
    }

    fn push(&mut self, line: &Line<'_>) -> ControlFlow<()> {
        let mut bytes = Vec::new();
        if self.lines.len() >= self.most
            && let Some(oldest) = self.lines.pop_front()
        {
            bytes = oldest.bytes; // Its room serves again.
        }
        bytes.clear();
        bytes.extend_from_slice(line.bytes);
        if self.most > 0 {
            let line = show::Where::of(line);
            self.lines.push_back(Kept { bytes, line });
        }
        ControlFlow::Continue(())
    }

    fn show(self, shown: &mut Shown, out: &mut dyn Write) -> std::io::Result<()> {
        self.lines
            .iter()
            .try_for_each(|kept| shown.bytes(&kept.bytes, &kept.line, out))
    }
}

/// Lines of others are told, files that could not be read make the command fail.
fn finish(tally: &Tally, foreign: u64, io: &mut Io<'_>) -> Result<(), Fault> {
    io.out.flush()?;
    if foreign > 0 {
        let what = match foreign {
            1 => "1 line is torn or no event of ours".to_owned(),
            n => format!("{} lines are torn or no events of ours", grouped(n)),
        };
        let _ = writeln!(io.err, "campanile: {what}");
    }
    for trouble in &tally.troubles {
        tell(trouble, io);
    }
    match tally.troubles.is_empty() {
        true => Ok(()),
        false => Err(Fault::Told(1)),
    }
}

fn tell(trouble: &Trouble, io: &mut Io<'_>) {
    let (path, error) = (trouble.path.display(), &trouble.error);
    let what = format!("{path} cannot be read to its end: {error}; the others were searched");
    crate::fault::complain(io, &what);
}

fn no_place(trouble: Trouble) -> Fault {
    let (path, error) = (trouble.path.display(), trouble.error);
    Fault::Usage(format!(
        "{path}: {error}; name the folder with --logs, or see `campanile doctor`"
    ))
}
