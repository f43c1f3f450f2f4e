//! The stages of a Dockerfile, and which images the wanted one reaches.
//!
//! BuildKit keeps stages and named images in one list: an image that `COPY --from`
//! names is appended to it, where a later number can find it. This file does the same.

use crate::dockerfile::arguments::Globals;
use crate::dockerfile::flags;
use crate::dockerfile::lines;
use crate::dockerfile::lines::{File, Instruction};
use crate::dockerfile::mount;
use crate::dockerfile::platform;
use crate::dockerfile::refusal::Refusal;
use crate::dockerfile::sources;
use crate::dockerfile::sources::Source;
use crate::dockerfile::wanted::Wanted;
use crate::reference::Reference;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the empty image, which no registry has.
const SCRATCH: &str = "scratch";
const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A stage, or an image that an instruction names.
#[derive(Debug)]
struct Node {
    /// What it builds upon: a stage before it, or an image.
    base: String,
    base_stage: Option<usize>,
    /// Nodes that its instructions take files from, with the instruction.
    sources: Vec<(usize, Instruction)>,
    /// The instruction that names it, for errors.
    named_by: Instruction,
    /// Variables in its name that had no value.
    without_value: BTreeSet<String>,
}

impl Node {
    fn is_image(&self) -> bool {
        self.base_stage.is_none() && self.base != SCRATCH
    }
}

struct Graph {
    nodes: Vec<Node>,
    /// Places of stages by name, in small letters. Of two stages with one name it holds the later.
    names: BTreeMap<String, usize>,
    stage_count: usize,
    escape: char,
}

/// References of the images that the wanted stage reaches.
pub(super) fn reached(file: &File, wanted: &Wanted<'_>) -> Result<BTreeSet<String>, Refusal> {
    let stages = read(file)?;
    let globals = globals(file, &stages, wanted)?;
    let mut graph = Graph::new(&stages, &globals)?;
    let target = match wanted.target.filter(|name| !name.is_empty()) {
        None => graph.stage_count - 1,
        Some(name) => *graph
            .names
            .get(&name.to_lowercase())
            .ok_or_else(|| Refusal::whole(format!("it has no stage `{name}` to build")))?,
    };
    for (index, stage) in stages.iter().enumerate() {
        for command in &stage.commands {
            graph.take_sources(index, command)?;
        }
    }
    graph.refuse_circles()?;
    // BuildKit checks the names of images that are not reached, too.
    for node in graph.nodes.iter().filter(|node| node.is_image()) {
        check_reference(node)?;
    }
    let mut triggered = BTreeSet::new();
    let reached = loop {
        let reached = graph.reachable(target);
        let new: Vec<usize> = reached.difference(&triggered).copied().collect();
        if new.is_empty() {
            break reached;
        }
        triggered.extend(&new);
        for index in new {
            let base = graph.nodes[index].base_stage;
            let commands = base.map_or(&[][..], |base| &stages[base].commands);
            for command in commands.iter().filter(|command| command.name == "ONBUILD") {
                let command = trigger(command)?;
                check(&command, file.escape)?;
                graph.take_sources(index, &command)?;
            }
        }
    };
    let mut images = BTreeSet::new();
    for index in reached {
        graph.refuse_later_sources(index)?;
        graph.check_mounts(index)?;
        let node = &graph.nodes[index];
        if node.is_image() {
            check_reference(node)?;
            images.insert(node.base.clone());
        }
    }
    Ok(images)
}

/// A `FROM` and the instructions that follow it.
struct Stage<'a> {
    from: &'a Instruction,
    name: Option<String>,
    commands: Vec<&'a Instruction>,
}

/// The stages in order. Instructions are checked as far as BuildKit checks them before it builds.
fn read(file: &File) -> Result<Vec<Stage<'_>>, Refusal> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for instruction in &file.instructions {
        let refuse = |message: &str| Err(instruction.refusal(message));
        if !KNOWN.contains(&instruction.name.as_str()) {
            return refuse("there is no such instruction");
        }
        if instruction.name == "ONBUILD" {
            let what = instruction.arguments.split_whitespace().next();
            match what.unwrap_or_default().to_ascii_uppercase().as_str() {
                "" => return refuse("it needs an instruction"),
                "FROM" | "MAINTAINER" | "ONBUILD" => {
                    return refuse("FROM, MAINTAINER and ONBUILD cannot be triggers");
                }
                _ => {}
            }
        }
        check(instruction, file.escape)?;
        match (instruction.name.as_str(), stages.last_mut()) {
            ("FROM", _) => stages.push(Stage {
                from: instruction,
                name: stage_name(instruction)?,
                commands: Vec::new(),
            }),
            (_, Some(stage)) => stage.commands.push(instruction),
            ("ARG", None) => {}
            (_, None) => return refuse("only ARG may precede the first FROM"),
        }
    }
    if stages.is_empty() {
        return Err(Refusal::whole("it has no FROM"));
    }
    Ok(stages)
}

/// What BuildKit checks of an instruction even in a stage that it does not build.
fn check(instruction: &Instruction, escape: char) -> Result<(), Refusal> {
    flags::check(instruction)?;
    match (instruction.name.as_str(), instruction.arguments().len()) {
        ("ADD" | "COPY", 0 | 1) => {
            return Err(instruction.refusal("it needs a source and a destination"));
        }
        ("CMD" | "ENTRYPOINT" | "RUN", _) => {}
        (_, 0) => return Err(instruction.refusal("it needs an argument")),
        _ => {}
    }
    sources::of(instruction, escape).map(|_| ())
}

/// The name that a `FROM` gives its stage, in small letters.
pub(super) fn stage_name(from: &Instruction) -> Result<Option<String>, Refusal> {
    if from.name != "FROM" {
        return Ok(None);
    }
    let name = match from.words().as_slice() {
        [_] => return Ok(None),
        [_, word, name] if word.eq_ignore_ascii_case("as") => name.to_lowercase(),
        _ => return Err(from.refusal("it takes `IMAGE` or `IMAGE AS NAME`")),
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
    if is_name {
        Ok(Some(name))
    } else {
        Err(from.refusal(format!(
            "`{name}` is not a name for a stage: it takes a letter, then letters, digits, `-`, `_` and `.`"
        )))
    }
}

fn globals(file: &File, stages: &[Stage<'_>], wanted: &Wanted<'_>) -> Result<Globals, Refusal> {
    let last = stages.last().and_then(|stage| stage.name.as_deref());
    let mut globals = Globals::new(wanted, last, file.escape);
    for instruction in &file.instructions {
        match instruction.name.as_str() {
            "ARG" => globals.declare(instruction)?,
            _ => break,
        }
    }
    Ok(globals)
}

/// The instruction of an `ONBUILD`, read anew as BuildKit does.
fn trigger(onbuild: &Instruction) -> Result<Instruction, Refusal> {
    let text = format!("{}{}", onbuild.arguments, onbuild.documents);
    let read = lines::read(text.as_bytes()).map_err(|refusal| Refusal {
        line: Some(onbuild.line),
        ..refusal
    })?;
    match read.instructions.as_slice() {
        [one] if KNOWN.contains(&one.name.as_str()) => Ok(Instruction {
            line: onbuild.line,
            ..one.clone()
        }),
        _ => Err(onbuild.refusal("its trigger is not an instruction")),
    }
}

fn check_reference(node: &Node) -> Result<(), Refusal> {
    Reference::parse(&node.base).map(|_| ()).map_err(|error| {
        let mut message = error.to_string();
        if !node.without_value.is_empty() {
            let names: Vec<&str> = node.without_value.iter().map(String::as_str).collect();
            message.push_str(&format!("; no value was given for {}", names.join(", ")));
        }
        node.named_by.refusal(message)
    })
}

impl Graph {
    fn new(stages: &[Stage<'_>], globals: &Globals) -> Result<Self, Refusal> {
        let mut graph = Self {
            nodes: Vec::new(),
            names: BTreeMap::new(),
            stage_count: stages.len(),
            escape: globals.escape,
        };
        for (index, stage) in stages.iter().enumerate() {
            let words = stage.from.words();
            let base = globals.resolve(stage.from, words[0])?;
            if base.text.is_empty() {
                return Err(stage
                    .from
                    .refusal(format!("the base name `{}` is blank", words[0])));
            }
            let platform = stage.from.values_of("platform").next();
            if let Some(written) = platform.filter(|platform| !platform.is_empty()) {
                let platform = globals.resolve(stage.from, written)?.text;
                if platform.is_empty() {
                    let message = format!("the platform `{written}` is blank");
                    return Err(stage.from.refusal(message));
                }
                platform::check(&platform).map_err(|message| stage.from.refusal(message))?;
            }
            // Unlike for `COPY --from`, BuildKit looks for the name as written, among earlier stages.
            let base_stage = graph.names.get(&base.text).copied();
            if let Some(name) = &stage.name {
                graph.names.insert(name.clone(), index);
            }
            graph.nodes.push(Node {
                base: base.text,
                base_stage,
                sources: Vec::new(),
                named_by: stage.from.clone(),
                without_value: base.without_value,
            });
        }
        Ok(graph)
    }

    /// Adds what an instruction of the node takes files from.
    fn take_sources(&mut self, index: usize, command: &Instruction) -> Result<(), Refusal> {
        for source in sources::of(command, self.escape)? {
            let name = match source {
                Source::Number(number) => {
                    let node = usize::try_from(number)
                        .ok()
                        .filter(|&node| node < self.nodes.len())
                        .ok_or_else(|| command.refusal(format!("there is no stage {number}")))?;
                    self.nodes[index].sources.push((node, command.clone()));
                    continue;
                }
                Source::Name(name) => name,
                Source::Nothing => SCRATCH.to_owned(),
            };
            let node = match self.names.get(&name.to_lowercase()) {
                Some(&stage) => stage,
                None => {
                    self.nodes.push(Node {
                        base: name,
                        base_stage: None,
                        sources: Vec::new(),
                        named_by: command.clone(),
                        without_value: BTreeSet::new(),
                    });
                    self.nodes.len() - 1
                }
            };
            self.nodes[index].sources.push((node, command.clone()));
        }
        Ok(())
    }

    /// Removes nodes whose sources are all removed, until only the nodes of a circle are left.
    fn refuse_circles(&self) -> Result<(), Refusal> {
        let mut needs: Vec<usize> = self.nodes.iter().map(|node| node.sources.len()).collect();
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for (source, _) in &node.sources {
                needed_by[*source].push(index);
            }
        }
        let mut free: Vec<usize> = (0..needs.len()).filter(|&node| needs[node] == 0).collect();
        while let Some(source) = free.pop() {
            for &node in &needed_by[source] {
                needs[node] -= 1;
                if needs[node] == 0 {
                    free.push(node);
                }
            }
        }
        let in_circle = |node: usize| needs[node] > 0;
        let Some(stage) = (0..needs.len()).find(|&node| in_circle(node)) else {
            return Ok(());
        };
        let sources = &self.nodes[stage].sources;
        match sources.iter().find(|(source, _)| in_circle(*source)) {
            Some((_, command)) => {
                Err(command.refusal("stages take files from each other in a circle"))
            }
            None => Ok(()),
        }
    }

    /// The node and all nodes that it builds upon or takes files from.
    fn reachable(&self, target: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut pending = vec![target];
        while let Some(index) = pending.pop() {
            if reached.insert(index) {
                let node = &self.nodes[index];
                pending.extend(node.base_stage);
                pending.extend(node.sources.iter().map(|(source, _)| source));
            }
        }
        reached
    }

    /// Refuses a mount that BuildKit refuses once it builds the stage.
    fn check_mounts(&self, index: usize) -> Result<(), Refusal> {
        let mut checked = None;
        for (_, command) in &self.nodes[index].sources {
            // Each mount of an instruction is a source of its own.
            if checked.replace(command.line) != Some(command.line) {
                for mount in command.values_of("mount") {
                    mount::check(mount, self.escape).map_err(|message| command.refusal(message))?;
                }
            }
        }
        Ok(())
    }

    /// Refuses a source that is a later stage, whose files do not exist yet.
    fn refuse_later_sources(&self, index: usize) -> Result<(), Refusal> {
        for (source, command) in &self.nodes[index].sources {
            if *source > index && *source < self.stage_count {
                return Err(command.refusal(format!(
                    "it takes files from a stage that begins later, in line {}",
                    self.nodes[*source].named_by.line
                )));
            }
        }
        Ok(())
    }
}
