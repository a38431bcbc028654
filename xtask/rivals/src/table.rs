//! A table of measurements side by side: ours first, then each rival. Less is better in every row.

use serde_json::{Value, json};

/// Two means this near, as a share of the larger, are equal; so are those that differ by less than
/// two standard errors.
const EQUAL: f64 = 0.05;

/// One thing that was measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// Why ours is behind, where that is so and must be.
    pub(crate) why: Option<&'static str>,
    /// The measurements of each contender, in the table's order, one a run; none: not measured.
    pub(crate) runs: Vec<Vec<f64>>,
}

/// How ours compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ahead,
    Equal,
    Behind,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Equal => "equal",
            Self::Behind => "behind",
        }
    }
}

fn mean(runs: &[f64]) -> f64 {
    runs.iter().sum::<f64>() / runs.len() as f64
}

/// The variance of the mean; 0 of a single run.
fn variance(runs: &[f64]) -> f64 {
    let (n, centre) = (runs.len() as f64, mean(runs));
    let sum: f64 = runs.iter().map(|run| (run - centre) * (run - centre)).sum();
    if runs.len() < 2 { 0.0 } else { sum / (n - 1.0) / n }
}

impl Row {
    /// Ours against the best rival; `None` if there is none to compare with.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let (ours, rivals) = self.runs.split_first()?;
        let measured = rivals.iter().filter(|runs| !runs.is_empty());
        let best = measured.min_by(|a, b| mean(a).total_cmp(&mean(b)))?;
        let (mine, theirs) = (mean(ours), mean(best));
        let error = (variance(ours) + variance(best)).sqrt();
        let near = (mine - theirs).abs() <= (EQUAL * mine.max(theirs)).max(2.0 * error);
        Some(match mine < theirs {
            _ if near => Verdict::Equal,
            true => Verdict::Ahead,
            false => Verdict::Behind,
        })
    }
}

/// A whole comparison.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// Name and configuration of each contender, ours first.
    pub(crate) contenders: Vec<(&'static str, String)>,
    pub(crate) rows: Vec<Row>,
    /// Rivals that did not build, and what the compiler said.
    pub(crate) unbuilt: Vec<(String, String)>,
    /// What went wrong with the measurements themselves.
    pub(crate) faults: Vec<String>,
    /// Rows on which ours may be behind.
    pub(crate) behind: usize,
}

/// Three digits that matter.
fn shown(value: f64) -> String {
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

impl Table {
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for (name, configuration) in &self.contenders {
            text += &format!("  {name}: {configuration}\n");
        }
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        text += &format!("\n{:width$}  {:>14}", "", "unit");
        self.contenders.iter().for_each(|(name, _)| text += &format!("  {name:>10}"));
        text += "  verdict\n";
        for row in &self.rows {
            text += &format!("{:width$}  {:>14}", row.name, row.unit);
            for runs in &row.runs {
                let cell = if runs.is_empty() { "-".to_owned() } else { shown(mean(runs)) };
                text += &format!("  {cell:>10}");
            }
            let verdict = row.verdict();
            text += &format!("  {}", verdict.map_or("-", Verdict::word));
            if let (Some(Verdict::Behind), Some(why)) = (verdict, row.why) {
                text += &format!(": {why}");
            }
            text += "\n";
        }
        for (name, message) in &self.unbuilt {
            text += &format!("{name} does not build: {message}\n");
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let means: Vec<Value> = row
                    .runs
                    .iter()
                    .map(|runs| match runs.is_empty() {
                        true => Value::Null,
                        false => json!(mean(runs)),
                    })
                    .collect();
                let verdict = row.verdict().map(Verdict::word);
                json!({"name": row.name, "unit": row.unit, "means": means, "runs": row.runs,
                   "verdict": verdict, "why": row.why})
            })
            .collect();
        let contenders: Vec<Value> = self
            .contenders
            .iter()
            .map(|(name, configuration)| json!({"name": name, "configuration": configuration}))
            .collect();
        let unbuilt: Vec<Value> = self
            .unbuilt
            .iter()
            .map(|(name, message)| json!({"name": name, "message": message}))
            .collect();
        json!({"title": self.title, "contenders": contenders, "rows": rows, "unbuilt": unbuilt,
               "faults": self.faults})
        .to_string()
    }

    /// Whether ours is ahead or equal on every row but as many as are allowed, and those say why;
    /// and whether all was measured.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(fault) = self.faults.first() {
            return Err(fault.clone());
        }
        let behind = |row: &&Row| row.verdict() == Some(Verdict::Behind);
        let behind: Vec<&Row> = self.rows.iter().filter(behind).collect();
        if let Some(row) = behind.iter().find(|row| row.why.is_none()) {
            return Err(format!("ours is behind on `{}`, and nothing says why", row.name));
        }
        if behind.len() > self.behind {
            let (rows, allowed) = (behind.len(), self.behind);
            return Err(format!("ours is behind on {rows} rows, of {allowed} allowed"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], theirs: &[f64], why: Option<&'static str>) -> Row {
        Row { name: "n".to_owned(), unit: "s", why, runs: vec![ours.to_vec(), theirs.to_vec()] }
    }

    fn table(rows: Vec<Row>) -> Table {
        let contenders = vec![("ours", String::new()), ("theirs", String::new())];
        let (unbuilt, faults) = (Vec::new(), Vec::new());
        Table { title: "t", contenders, rows, unbuilt, faults, behind: 2 }
    }

    #[test]
    fn near_is_equal_and_less_is_ahead() {
        assert_eq!(row(&[1.0, 1.1], &[2.0, 2.1], None).verdict(), Some(Verdict::Ahead));
        assert_eq!(row(&[2.0, 2.1], &[1.0, 1.1], None).verdict(), Some(Verdict::Behind));
        assert_eq!(row(&[1.0], &[1.04], None).verdict(), Some(Verdict::Equal));
        assert_eq!(row(&[1.0, 3.0], &[1.5, 1.5], None).verdict(), Some(Verdict::Equal));
        assert_eq!(row(&[0.0], &[0.0], None).verdict(), Some(Verdict::Equal));
        assert_eq!(row(&[1.0], &[], None).verdict(), None);
    }

    #[test]
    fn two_rows_may_be_behind_if_they_say_why() {
        let behind = |why| row(&[2.0], &[1.0], why);
        let said = Some("because");
        assert_eq!(table(vec![behind(said), behind(said)]).check(), Ok(()));
        assert!(table(vec![behind(None)]).check().is_err());
        assert!(table(vec![behind(said), behind(said), behind(said)]).check().is_err());
    }

    #[test]
    fn a_rival_that_does_not_build_is_a_row_with_the_compilers_message() {
        let mut table = table(vec![row(&[1.0], &[], None)]);
        table.unbuilt.push(("foca".to_owned(), "error[E0432]".to_owned()));
        assert!(table.text().contains("foca does not build: error[E0432]"));
        assert!(table.json().contains("E0432"));
    }
}
