//! The names of all customers of a topic, in the order in which they signed up.

/// Texts side by side: ten million of them take some 200 MB.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    pub fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    /// The name at this place, counted round.
    pub fn get(&self, place: usize) -> &str {
        let place = place % self.ends.len();
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[place]]
    }
}
