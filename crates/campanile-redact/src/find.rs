use crate::Kind;

/// One thing found: where it is, what it is, which rule saw it. Holds no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Find {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// The rule that found it; see [`Redactor::rule_name`](crate::Redactor::rule_name).
    pub rule: &'static str,
    /// Which of the user's rules, from 1; 0 where it was none of them.
    pub(crate) user_rule: u16,
}

impl Find {
    pub(crate) const fn new(start: usize, end: usize, kind: Kind, rule: &'static str) -> Self {
        Self {
            start,
            end,
            kind,
            rule,
            user_rule: 0,
        }
    }

    /// The same, of the user's rule with this number, from 1.
    pub(crate) const fn of_user_rule(self, number: u16) -> Self {
        Self {
            user_rule: number,
            ..self
        }
    }
}

/// Makes finds disjoint and sorted. Finds that overlap become one that covers them all, so that no rest of the
/// loser stays readable; the surest kind names it, then the longest, then the first.
pub(crate) fn settle(finds: &mut Vec<Find>) {
    finds.sort_by_key(|find| (find.start, find.kind.surety(), find.end));
    let mut kept: Vec<(Find, usize)> = Vec::with_capacity(finds.len());
    for find in finds.drain(..) {
        let length = find.end - find.start;
        match kept.last_mut() {
            Some((last, best)) if find.start < last.end => {
                let surer = (find.kind.surety(), usize::MAX - length)
                    < (last.kind.surety(), usize::MAX - *best);
                if surer {
                    (last.kind, last.rule, *best) = (find.kind, find.rule, length);
                    last.user_rule = find.user_rule;
                }
                last.end = last.end.max(find.end);
            }
            _ => kept.push((find, length)),
        }
    }
    finds.extend(kept.into_iter().map(|(find, _)| find));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_becomes_one_find_of_the_surest_kind() {
        let mut finds = vec![
            Find::new(4, 9, Kind::Phone, "phone"),
            Find::new(0, 6, Kind::Card, "card"),
            Find::new(20, 22, Kind::Person, "person"),
        ];

        settle(&mut finds);

        assert_eq!(
            finds,
            [
                Find::new(0, 9, Kind::Card, "card"),
                Find::new(20, 22, Kind::Person, "person")
            ]
        );
    }

    #[test]
    fn neighbours_stay_two_finds() {
        let mut finds = vec![
            Find::new(0, 3, Kind::Phone, "a"),
            Find::new(3, 6, Kind::Phone, "b"),
        ];

        settle(&mut finds);

        assert_eq!(finds.len(), 2);
    }
}
