//! What happened in simulated schedules, counted.

use std::fmt;

use tenure::cluster::record::Refused;

macro_rules! tally {
    ($($name:ident: $what:literal,)*) => {
        /// Each by what it counts.
        #[derive(Debug, Default)]
        pub struct Tally {
            $(pub $name: u64,)*
        }

        impl Tally {
            pub fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// What never happened.
            pub fn missing(&self) -> Vec<&'static str> {
                let all = [$((self.$name, $what)),*];
                let missing = all.into_iter().filter(|(count, _)| *count == 0);
                missing.map(|(_, what)| what).collect()
            }
        }

        impl fmt::Display for Tally {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{:>9} {}", self.$name, $what)?;)*
                Ok(())
            }
        }
    };
}

tally! {
    kills: "instances killed",
    restarts: "restarted at once",
    joins: "joined",
    pauses: "paused, and back as zombies",
    outages: "outages of the topic",
    compactions: "compactions",
    moves: "partitions moved without a reason",
    rebalances: "rebalances",
    clock_changes: "clocks set",
    lost_histories: "shards that lost their beginning",
    grown_topics: "topics grown",
    contributions: "contributions",
    served: "instants served, over all instances",
    old_generations: "contributions of former owners not heard",
    fresh: "fresh readers while an instant was complete",
    fresh_older: "of these with an older instant",
    fresh_with_nothing: "of these with nothing",
    first: "instances that served something",
    first_older: "of these something older at first than was complete at their start",
}

impl Tally {
    pub fn reject(&mut self, reason: Refused) {
        assert_eq!(reason, Refused::OldGeneration, "of what instances wrote");
        self.old_generations += 1;
    }
}
