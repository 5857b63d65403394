//! Makes a case that differs smaller, as long as it differs.

use std::path::Path;

use anyhow::Result;

use super::{
    ask::{Kernel, Verdict},
    case::Case,
};

/// Asks a case and its smaller ones.
#[derive(Debug)]
pub(super) struct Shrinker<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) folder: &'a Path,
    /// How many questions are left.
    pub(super) questions: u32,
}

impl Shrinker<'_> {
    /// The smallest case found, and how it differs.
    pub(super) fn shrink(&mut self, case: Case, found: Vec<String>) -> Result<(Case, Vec<String>)> {
        let mut best = (case, found);
        loop {
            let before = size(&best.0);
            self.cut_tail(&mut best)?;
            self.without(&mut best, |case| case.frames.len(), |case, range| drop(case.frames.drain(range)))?;
            self.without(&mut best, |case| case.rules.len(), |case, range| drop(case.rules.drain(range)))?;
            self.without(&mut best, |case| case.policies.len(), |case, range| drop(case.policies.drain(range)))?;
            self.without(&mut best, |case| case.tables.len(), remove_tables)?;
            self.without(&mut best, |case| case.sysctls.len(), |case, range| drop(case.sysctls.drain(range)))?;
            if size(&best.0) == before || self.questions == 0 {
                return Ok(best);
            }
        }
    }

    /// Leaves out all frames behind the first that differs.
    fn cut_tail(&mut self, best: &mut (Case, Vec<String>)) -> Result<()> {
        let numbers = best.1.iter().filter_map(|line| line.strip_prefix("frame ")?.split(' ').next()?.parse().ok());
        let Some(first) = numbers.min().filter(|first: &usize| first + 1 < best.0.frames.len()) else { return Ok(()) };
        let mut smaller = best.0.clone();
        smaller.frames.truncate(first + 1);
        self.keep_if_it_differs(best, smaller).map(drop)
    }

    /// Leaves out parts, larger ones first.
    fn without(
        &mut self,
        best: &mut (Case, Vec<String>),
        count: impl Fn(&Case) -> usize,
        remove: impl Fn(&mut Case, std::ops::Range<usize>),
    ) -> Result<()> {
        let mut chunk = count(&best.0).div_ceil(2);
        while chunk > 0 {
            let mut end = count(&best.0);
            while end > 0 {
                let start = end.saturating_sub(chunk);
                let mut smaller = best.0.clone();
                remove(&mut smaller, start..end);
                self.keep_if_it_differs(best, smaller)?;
                end = start;
            }
            chunk /= 2;
        }
        Ok(())
    }

    fn keep_if_it_differs(&mut self, best: &mut (Case, Vec<String>), smaller: Case) -> Result<bool> {
        if self.questions == 0 || smaller.frames.is_empty() {
            return Ok(false);
        }
        self.questions -= 1;
        // Asked twice, as a machine under load may have made the first answer.
        let mut found = Vec::new();
        for _ in 0..2 {
            match self.kernel.ask(&smaller, self.folder)? {
                Verdict::Differs(differences) => found = differences,
                Verdict::Agreed | Verdict::Unasked(_) => return Ok(false),
            }
        }
        *best = (smaller, found);
        Ok(true)
    }
}

/// Tables go with their rules and chains.
fn remove_tables(case: &mut Case, range: std::ops::Range<usize>) {
    let gone: Vec<&str> = case.tables.drain(range).collect();
    case.rules.retain(|line| !gone.contains(&line.table));
    case.chains.retain(|(table, _)| !gone.contains(table));
    case.policies.retain(|(table, _)| !gone.contains(table));
}

fn size(case: &Case) -> usize {
    case.frames.len() + case.rules.len() + case.policies.len() + case.tables.len() + case.sysctls.len()
}
