//! Which of the seeds a machine runs.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::SeedRange;

/// One of so many parts of a sweep. Each has seeds that follow one another, and as many as any other, or one more or fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    index: u64,
    of: u64,
}

impl Shard {
    /// The part of that number, from 1.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn new(index: u64, of: u64) -> Result<Self, String> {
        match (index, of) {
            (_, 0) => Err("there is at least 1 shard".to_owned()),
            (1.., of) if index <= of => Ok(Shard { index, of }),
            _ => Err(format!("of {of} shards there is none of number {index}; they are numbered from 1")),
        }
    }

    /// Its seeds of these; there are none where there are more shards than seeds.
    #[must_use]
    pub fn part_of(self, seeds: SeedRange) -> Option<SeedRange> {
        let begin = |index: u64| {
            let share = u128::from(seeds.count()) * u128::from(index) / u128::from(self.of);
            seeds.first() + u64::try_from(share).unwrap_or(u64::MAX)
        };
        let (first, end) = (begin(self.index - 1), begin(self.index));
        SeedRange::new(first, end.checked_sub(1)?).ok()
    }

    /// The shard that the variables of a scheduler tell, if this is one of its tasks. `said` is how many shards the user
    /// says that there are.
    ///
    /// # Errors
    /// The variables do not tell.
    pub fn of_task(
        said: Option<u64>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let variables = Variables(variable);
        match variables.slurm(said)? {
            Some(shard) => Ok(Some(shard)),
            None => variables.kubernetes(said),
        }
    }
}

/// `2/5`: the second of five.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let like = "write 2/5 for the second of five shards";
        let (index, of) = text.split_once('/').ok_or(like)?;
        let number =
            |digits: &str| digits.parse::<u64>().map_err(|error| format!("`{digits}`: {error}; {like}"));
        Shard::new(number(index)?, number(of)?)
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|error| format!("{name} is `{value}`: {error}"))
    }

    /// A task of a Slurm job array. Its tasks are numbered from `MIN` to `MAX`, `STEP` apart.
    fn slurm(&self, said: Option<u64>) -> Result<Option<Shard>, String> {
        let Some(id) = self.number("SLURM_ARRAY_TASK_ID")? else {
            return Ok(None);
        };
        let least = self.number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(1);
        let step = self.number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
        let count = match self.number("SLURM_ARRAY_TASK_COUNT")? {
            Some(count) => Some(count),
            None => self
                .number("SLURM_ARRAY_TASK_MAX")?
                .and_then(|most| Some(most.checked_sub(least)? / step + 1)),
        };
        let cannot_tell = |why: String| format!("SLURM_ARRAY_TASK_ID is {id}, but {why}; say --shard I/N");
        let Some(of) = said.or(count) else {
            return Err(cannot_tell("nothing says how many tasks there are".to_owned()));
        };
        // An array such as 1,3,7 has three tasks, and which of them is the second cannot be told.
        if let (Some(count), Some(most)) = (count, self.number("SLURM_ARRAY_TASK_MAX")?)
            && (count.saturating_sub(1)).checked_mul(step).and_then(|width| width.checked_add(least))
                != Some(most)
        {
            return Err(cannot_tell(format!("{count} tasks from {least} to {most} are not {step} apart")));
        }
        let Some(offset) = id.checked_sub(least).filter(|offset| offset % step == 0) else {
            return Err(cannot_tell(format!("tasks are numbered from {least}, {step} apart")));
        };
        match Shard::new(offset / step + 1, of) {
            Ok(shard) => Ok(Some(shard)),
            Err(why) => Err(cannot_tell(why)),
        }
    }

    /// A Pod of an indexed Job of Kubernetes, which does not say how many there are.
    fn kubernetes(&self, said: Option<u64>) -> Result<Option<Shard>, String> {
        let Some(index) = self.number("JOB_COMPLETION_INDEX")? else {
            return Ok(None);
        };
        let Some(of) = said else {
            let why = "nothing says how many there are; say --shards N, the Job's `completions`";
            return Err(format!("JOB_COMPLETION_INDEX is {index}, but {why}"));
        };
        // Kubernetes counts from 0.
        Shard::new(index.saturating_add(1), of)
            .map(Some)
            .map_err(|why| format!("JOB_COMPLETION_INDEX is {index}: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    fn of_task(said: Option<u64>, variables: &[(&str, &str)]) -> Result<Option<Shard>, String> {
        Shard::of_task(said, |name| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        })
    }

    proptest! {
        #[test]
        fn shards_have_every_seed_once_and_nearly_as_many_each(
            first in 0..u64::MAX / 2, count in 1..5_000_u64, of in 1..50_u64
        ) {
            let seeds = SeedRange::new(first, first + count - 1).unwrap();
            let mut next = first;
            for index in 1..=of {
                let part = Shard::new(index, of).unwrap().part_of(seeds);
                let in_part = part.map_or(0, SeedRange::count);
                prop_assert!(in_part == count / of || in_part == count.div_ceil(of));
                if let Some(part) = part {
                    prop_assert_eq!(part.first(), next);
                    next = part.last() + 1;
                }
            }
            prop_assert_eq!(next, first + count);
        }
    }

    #[test]
    fn shards_are_numbered_from_1() {
        assert_eq!(shard("1/1"), Shard { index: 1, of: 1 });
        for wrong in ["0/3", "4/3", "1/0", "1", "1/", "/2", "1/2/3", "one/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_slurm_array_tells_its_shard_wherever_it_is_numbered_from() {
        let task = |id, least, most, count, step| {
            [
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_MIN", least),
                ("SLURM_ARRAY_TASK_MAX", most),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_STEP", step),
            ]
        };
        assert_eq!(of_task(None, &task("0", "0", "4", "5", "1")), Ok(Some(shard("1/5"))));
        assert_eq!(of_task(None, &task("5", "1", "5", "5", "1")), Ok(Some(shard("5/5"))));
        assert_eq!(of_task(None, &task("20", "10", "30", "3", "10")), Ok(Some(shard("2/3"))));
        assert_eq!(of_task(Some(9), &task("5", "1", "5", "5", "1")), Ok(Some(shard("5/9"))));
        assert_eq!(of_task(None, &task("3", "1", "4", "", "1")[..3]), Ok(Some(shard("3/4"))));
        // Of 1,3,7 nobody can tell, in none of its tasks.
        for id in ["1", "3", "7"] {
            let why = of_task(None, &task(id, "1", "7", "3", "1")).unwrap_err();
            assert!(why.contains("say --shard I/N"), "{id}: {why}");
        }
        assert!(of_task(None, &task("x", "1", "7", "3", "1")).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
        assert!(of_task(Some(2), &task("5", "1", "5", "5", "1")).unwrap_err().contains("of 2 shards"));
        assert!(of_task(None, &[("SLURM_ARRAY_TASK_ID", "5")]).unwrap_err().contains("how many"));
    }

    #[test]
    fn a_kubernetes_job_tells_its_index_from_0_and_not_how_many_there_are() {
        let pod = [("JOB_COMPLETION_INDEX", "4")];
        assert_eq!(of_task(Some(5), &pod), Ok(Some(shard("5/5"))));
        assert!(of_task(None, &pod).unwrap_err().contains("say --shards N"));
        assert!(of_task(Some(4), &pod).unwrap_err().contains("of 4 shards"));
    }

    #[test]
    fn without_a_scheduler_there_is_no_shard() {
        assert_eq!(of_task(None, &[]), Ok(None));
        assert_eq!(of_task(Some(3), &[]), Ok(None));
    }
}
