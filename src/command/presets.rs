//! `tenure presets`: the mappings that come with the program.

use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};

use crate::command::paper::{Paper, emphasis, plain, print, wrapped};
use crate::command::{Failure, Form};
use crate::config::sources::{Preset, PresetOption, presets};

/// Of a line about an option, without its indentation.
const WIDTH: usize = 76;

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
            Form::Json => {
                let lines: Vec<String> = presets.iter().map(|it| object(it).to_string()).collect();
                lines.join("\n") + "\n"
            }
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
            add(option, &mut paper);
        }
    }
    paper.finish()
}

/// Writes an option below its preset; its second line is indented.
fn add(option: &PresetOption, paper: &mut Paper) {
    let default = match (&option.default, option.required) {
        (Some(default), _) => default,
        (None, true) => "must be set",
        (None, false) => "not set",
    };
    let sentence = plain(&format!("{} ({default}): {}", option.name, option.about));
    for (number, line) in wrapped(&sentence, WIDTH).iter().enumerate() {
        let before = if number == 0 { "- " } else { "  " };
        paper.line(&format!("{before}{line}"));
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
