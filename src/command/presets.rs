//! `tenure presets`: the mappings that come with the program.

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::command::paper::{Paper, emphasis, plain, print};
use crate::command::{Failure, Form};
use crate::config::sources::{Preset, PresetOption, presets};

const EXAMPLES: &str = "\
Examples:
  # Which backends can be read as they are?
  tenure presets

  # A preset as a beginning of a mapping of your own
  tenure presets shopify > mappings/shop.yaml
";

const NOTES: &str = "\
A preset is used by its name, below a topic in `sources:` of the configuration:

  sources:
    shop-orders: shopify
    surveys: { preset: typeform, options: { nps_question: q1 } }";

/// List the mappings that come with Tenure, or print one
#[derive(Debug, Clone, clap::Args)]
#[command(before_help = EXAMPLES, after_help = NOTES)]
pub struct PresetsArgs {
    /// Print this one
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    pub name: Option<String>,

    /// Text for people or one JSON object for each preset
    #[arg(long, value_enum, default_value = "text", conflicts_with = "name")]
    pub format: Form,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(presets().into_iter().map(|preset| preset.name))
}

/// Writes the list or the one preset to stdout.
pub fn run(args: &PresetsArgs) -> Result<(), Failure> {
    let presets = presets();
    let Some(name) = &args.name else {
        return print(&match args.format {
            Form::Text => list(&presets, emphasis()),
            Form::Json => presets
                .iter()
                .map(|it| format!("{}\n", object(it)))
                .collect(),
        });
    };
    match presets.iter().find(|preset| preset.name == name) {
        Some(preset) => {
            print(preset.text)?;
            eprintln!(
                "to change it, save it as mappings/{name}.yaml and write `{{ mapping: \
                 mappings/{name}.yaml }}` below the topic"
            );
            Ok(())
        }
        None => Err(Failure::usage(format!("there is no preset `{name}`"))),
    }
}

fn list(presets: &[Preset], emphasis: bool) -> String {
    let mut paper = Paper::new(emphasis);
    for preset in presets {
        paper.heading(preset.name);
        paper.paragraph(&plain(&preset.about));
        for option in &preset.options {
            paper.paragraph(&plain(&sentence(option)));
        }
    }
    paper.finish()
}

fn sentence(option: &PresetOption) -> String {
    let PresetOption { name, about, .. } = option;
    match (&option.default, option.required) {
        (Some(default), _) => format!("- {name} ({default}): {about}"),
        (None, true) => format!("- {name} (must be set): {about}"),
        (None, false) => format!("- {name} (not set): {about}"),
    }
}

fn object(preset: &Preset) -> Value {
    let options = preset.options.iter().map(|option| {
        json!({
            "name": option.name,
            "about": option.about,
            "default": option.default,
            "required": option.required,
        })
    });
    let options: Vec<Value> = options.collect();
    json!({ "name": preset.name, "about": preset.about, "options": options })
}
