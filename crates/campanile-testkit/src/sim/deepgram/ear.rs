//! What is understood by when: a transcript laid out along the audio.
//!
//! ```text
//!  |   Good morning to you.            |  next utterance
//!  |   ^    ^       ^  ^   ^  ^        ^
//!  |   |    interim results   |  `UtteranceEnd`
//!  |   `SpeechStarted`        final result: the pause was long enough
//!  0 ------------------------------------------------------> position in the audio
//! ```

use std::collections::VecDeque;

use super::super::dice::Dice;
use super::super::text;
use super::ask::Ask;

/// Audio after which an interim result comes.
const INTERIM_US: u64 = 1_000_000;
/// Audio that one final result covers at most.
const SEGMENT_US: u64 = 4_000_000;

/// How speech is laid out.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    /// Utterances, one after another; words by seed, without end, where there are none.
    pub(super) script: Vec<String>,
    pub(super) word_us: u64,
    pub(super) pause_us: u64,
}

/// A word and where it is in the audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) start: u64,
    pub(super) end: u64,
    /// In thousandths.
    pub(super) confidence: u64,
}

/// Something that the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    SpeechStarted {
        at: u64,
    },
    Results {
        start: u64,
        end: u64,
        words: Vec<Word>,
        is_final: bool,
        speech_final: bool,
        from_finalize: bool,
    },
    UtteranceEnd {
        last_word_end: u64,
    },
}

/// Follows the audio of one connection.
#[derive(Debug)]
pub(super) struct Ear {
    ask: Ask,
    word_us: u64,
    pause_us: u64,
    script: Option<VecDeque<String>>,
    dice: Dice,
    utterance: Option<Utterance>,
    /// Where the audio begins that no final result has covered.
    segment: u64,
    interim_at: u64,
    /// When `UtteranceEnd` comes, and what it says.
    silence: Option<(u64, u64)>,
    position: u64,
}

#[derive(Debug)]
struct Utterance {
    start: u64,
    /// After its last word, and the blank that belongs to it.
    end: u64,
    words: VecDeque<Word>,
    announced: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    End,
    Full,
    Start,
    Interim,
    Silence,
}

impl Ear {
    pub(super) fn new(ask: Ask, speech: &Speech, dice: Dice) -> Self {
        let mut ear = Self {
            ask,
            word_us: speech.word_us,
            pause_us: speech.pause_us,
            script: (!speech.script.is_empty()).then(|| speech.script.iter().cloned().collect()),
            dice,
            utterance: None,
            segment: 0,
            interim_at: INTERIM_US,
            silence: None,
            position: 0,
        };
        ear.begin(200_000);
        ear
    }

    /// The audio has come this far.
    pub(super) fn hear(&mut self, position: u64) -> Vec<Moment> {
        let mut told = Vec::new();
        while let (at, step) = self.upcoming()
            && at <= position
        {
            self.take(at, step, &mut told);
        }
        self.position = position;
        told
    }

    /// The client wants what there is.
    pub(super) fn finalize(&mut self) -> Moment {
        self.finish(self.position, true, true)
    }

    /// The audio is over.
    pub(super) fn close(&mut self) -> Option<Moment> {
        (self.position > self.segment).then(|| self.finish(self.position, false, false))
    }

    /// What comes next in the audio. Of two at the same place, the first one here goes first.
    fn upcoming(&self) -> (u64, Step) {
        let speech = self.utterance.as_ref();
        let end = speech.map(|u| (u.end + self.ask.endpointing_us.unwrap_or(0), Step::End));
        let start = speech
            .filter(|u| !u.announced)
            .map(|u| (u.start, Step::Start));
        let interim = self.ask.interim.then_some((self.interim_at, Step::Interim));
        let silence = self.silence.map(|(at, _)| (at, Step::Silence));
        let full = (self.segment + SEGMENT_US, Step::Full);
        let mut next = end.unwrap_or(full);
        for other in [Some(full), start, interim, silence].into_iter().flatten() {
            if other.0 < next.0 {
                next = other;
            }
        }
        next
    }

    fn take(&mut self, at: u64, step: Step, told: &mut Vec<Moment>) {
        match step {
            Step::Start => {
                if let Some(utterance) = &mut self.utterance {
                    utterance.announced = true;
                }
                if self.ask.vad {
                    told.push(Moment::SpeechStarted { at });
                }
            }
            Step::Interim => {
                self.interim_at += INTERIM_US;
                told.push(Moment::Results {
                    start: self.segment,
                    end: at,
                    words: self.words(at).cloned().collect(),
                    is_final: false,
                    speech_final: false,
                    from_finalize: false,
                });
            }
            Step::Full => {
                let silent = self.utterance.as_ref().is_none_or(|u| at < u.start);
                told.push(self.finish(at, silent, false));
            }
            Step::End => {
                let ended = self.ask.endpointing_us.is_some();
                told.push(self.finish(at, ended, false));
                if let Some(utterance) = self.utterance.take() {
                    let last_word_end = utterance.end - self.word_us / 10;
                    let wait = self.ask.utterance_end_us;
                    self.silence = wait.map(|wait| (last_word_end + wait, last_word_end));
                    self.begin((utterance.end + self.pause_us).max(at + 1));
                }
            }
            Step::Silence => {
                if let Some((_, last_word_end)) = self.silence.take() {
                    told.push(Moment::UtteranceEnd { last_word_end });
                }
            }
        }
    }

    /// A final result up to there.
    fn finish(&mut self, at: u64, speech_final: bool, from_finalize: bool) -> Moment {
        let count = self.words(at).count();
        let words = match &mut self.utterance {
            Some(utterance) => utterance.words.drain(..count).collect(),
            None => Vec::new(),
        };
        let start = std::mem::replace(&mut self.segment, at);
        self.interim_at = at + INTERIM_US;
        Moment::Results {
            start,
            end: at,
            words,
            is_final: true,
            speech_final,
            from_finalize,
        }
    }

    /// The words that no final result has told, and that are over by then.
    fn words(&self, at: u64) -> impl Iterator<Item = &Word> {
        let words = self.utterance.iter().flat_map(|u| &u.words);
        words.take_while(move |word| word.end <= at)
    }

    /// Lays out the next utterance, if there is one.
    fn begin(&mut self, start: u64) {
        let texts: Vec<String> = match &mut self.script {
            Some(script) => match script.pop_front() {
                Some(line) => line.split_whitespace().map(str::to_owned).collect(),
                None => return,
            },
            None => text::sentence(&mut self.dice)
                .split(' ')
                .map(str::to_owned)
                .collect(),
        };
        let mut end = start;
        let mut words = VecDeque::new();
        for text in texts {
            let start = end;
            end += self.word_us;
            words.push_back(Word {
                text,
                start,
                end: end - self.word_us / 10,
                confidence: 900 + self.dice.up_to(99),
            });
        }
        self.utterance = Some(Utterance {
            start,
            end,
            words,
            announced: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::query::Query;
    use super::*;

    const OPTIONS: &str = "encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true&utterance_end_ms=1000";

    fn ear(script: &[&str]) -> Ear {
        let speech = Speech {
            script: script.iter().map(ToString::to_string).collect(),
            word_us: 400_000,
            pause_us: 1_500_000,
        };
        let ask = Ask::parse(&Query::parse(Some(OPTIONS))).unwrap();
        Ear::new(ask, &speech, Dice::new(1, "test", 0))
    }

    /// All moments of that much audio, heard in pieces of that size.
    fn heard(ear: &mut Ear, until: u64, piece: u64) -> Vec<Moment> {
        (1..=until.div_ceil(piece))
            .flat_map(|n| ear.hear((n * piece).min(until)))
            .collect()
    }

    fn said(moments: &[Moment]) -> String {
        let mut said = Vec::new();
        for moment in moments {
            if let Moment::Results {
                words,
                is_final: true,
                ..
            } = moment
            {
                said.extend(words.iter().map(|word| word.text.as_str()));
            }
        }
        said.join(" ")
    }

    #[test]
    fn finals_tell_each_word_once_and_cover_the_audio_without_a_gap() {
        let script = [
            "Good morning to all of you here today, and welcome back again.",
            "Thank you.",
        ];
        let mut ear = ear(&script);

        let mut moments = heard(&mut ear, 9_999_999, 20_000);
        moments.extend(ear.close());

        assert_eq!(said(&moments), script.join(" "));
        let mut covered = 0;
        for moment in &moments {
            if let Moment::Results {
                start,
                end,
                is_final: true,
                ..
            } = moment
            {
                assert_eq!(*start, covered);
                covered = *end;
            }
        }
        assert_eq!(covered, 9_999_999);
    }

    #[test]
    fn the_size_of_the_pieces_changes_nothing() {
        let whole = heard(&mut ear(&[]), 60_000_000, 60_000_000);

        for piece in [1_000, 20_000, 333_333] {
            assert_eq!(heard(&mut ear(&[]), 60_000_000, piece), whole);
        }
        assert!(whole.len() > 60);
    }

    #[test]
    fn events_come_in_the_order_of_the_audio() {
        let moments = heard(&mut ear(&["One two three."]), 3_000_000, 20_000);

        let names: Vec<&str> = moments
            .iter()
            .map(|moment| match moment {
                Moment::SpeechStarted { at } => {
                    assert_eq!(*at, 200_000);
                    "started"
                }
                Moment::UtteranceEnd { last_word_end } => {
                    assert_eq!(*last_word_end, 1_360_000);
                    "ended"
                }
                Moment::Results {
                    is_final: false, ..
                } => "interim",
                Moment::Results {
                    speech_final: true, ..
                } => "final",
                Moment::Results { .. } => "part",
            })
            .collect();
        // 0.2 s, 1 s, 1.41 s (the last word's share of time and 10 ms), 2.36 s, 2.41 s.
        assert_eq!(names, ["started", "interim", "final", "ended", "interim"]);
    }

    #[test]
    fn finalize_tells_what_is_there_and_the_rest_comes_later() {
        let mut ear = ear(&["One two three four."]);

        ear.hear(1_000_000);
        let first = ear.finalize();
        let again = ear.finalize();
        let rest = ear.hear(3_000_000);

        assert_eq!(said(&[first]), "One two");
        assert_eq!(
            again,
            Moment::Results {
                start: 1_000_000,
                end: 1_000_000,
                words: Vec::new(),
                is_final: true,
                speech_final: true,
                from_finalize: true,
            }
        );
        assert_eq!(said(&rest), "three four.");
    }
}
