//! Random Dockerfiles of a few lines. Many are refused: flags without values, names of stages that
//! come later, directives in odd places. `@s` and `@t` name stages, and images that exist, too.

use crate::Case;
use std::collections::BTreeMap;

/// Pseudo-random numbers (SplitMix64). The same seed gives the same numbers.
pub(crate) struct Random(u64);

const DIRECTIVES: &[&str] = &[
    "# escape=`",
    "#escape = \\",
    "# escape=\\\\",
    "# check=skip=all",
    "# check=skip=A, B;error=false",
    "# check=nonsense",
    "# check=error=maybe",
    "# CHECK=skip=all;experimental=all",
    "# syntax=@f",
    "#syntax=@f an argument",
    "// syntax=@f",
    "//syntax=@f",
    " # syntax=@f",
    "#<NBSP>syntax=@f",
    "# syntax=",
    "#!/usr/bin/env x",
    "# a comment",
    "",
    "{\"syntax\": \"@f\"}",
];
const PLATFORMS: &[&str] = &[
    "",
    "",
    "",
    "--platform=linux/amd64",
    "--platform=$BUILDPLATFORM",
    "--platform=linux",
    "--platform=arm64",
    "--platform=windows(10.0.17763)/amd64",
    "--platform=nonsense",
    "--platform=a/b/c/d",
    "--platform=linux/*",
    "--platform=",
    "--platform",
    "--platform=linux --platform=linux",
    "--plattform=linux",
];
const BASES: &[&str] = &[
    "scratch",
    "@a",
    "@b",
    "@a:latest",
    "@s",
    "@t",
    "@S",
    "$V",
    "\"@b\"",
    "",
];
const NAMES: &[&str] = &["", "", "AS @s", "as @t", "AS @S", "AS", "@s"];
const FLAGS_OF_COPY: &[&str] = &[
    "--from=@c",
    "--from=@c",
    "--from=@s",
    "--from=@t",
    "--from=0",
    "--from=1",
    "--from=",
    "--from",
    "--from @c",
    "--FROM=@c",
    "--form=@c",
    "--from=\"@c\"",
    "--from='@c",
    "--from=$V",
    "-from=@c",
    "--link",
    "--link=true",
    "--link=False",
    "--link=",
    "--link=maybe",
    "--chown=1",
    "--chown",
    "--chown=aà--from=@d",
    "--exclude=a --exclude=b",
    "--",
    "-- --from=@c",
    "\\--from=@c",
    "--\\from=@c",
];
const FLAGS_OF_RUN: &[&str] = &[
    "--mount=from=@d,target=/x",
    "--mount=type=bind,from=@d,target=/x,ro",
    "--mount=from=@t,target=/x",
    "--mount=form=@d,target=/x",
    "--mount=from,target=/x",
    "--mount=from @d",
    "--mount=type=secret,from=@d,id=x",
    "--mount=type=secret,id=x,required",
    "--mount=type=bound,target=/x",
    "--mount=type=cache,target=/c",
    "--mount=type=tmpfs,size=1,target=/x",
    "--mount=size=1,target=/x",
    "--mount=target='/x",
    "--mount=",
    "--mount",
    "--Mount=from=@d,target=/x",
    "--network=none",
    "--network=none --network=default",
    "--from=@d",
];
const OTHERS: &[&str] = &[
    "ENV --from=@e A=1",
    "ARG --from=@e",
    "ARG V",
    "STOPSIGNAL --from=@e",
    "EXPOSE --from=@e 1",
    "LABEL A=1",
    "USER --x 1",
    "HEALTHCHECK --interval=1s CMD x",
    "HEALTHCHECK --interval CMD x",
    "HEALTHCHECK --x NONE",
    "WORKDIR /x",
    "NOTHING",
    "MAINTAINER --x x",
    "CMD --x",
    "# a comment",
    "ADD --from=@e x y",
    "ADD --keep-git-dir=true --unpack=false x y",
    "VOLUME --x /x",
    "SHELL [\"x\"]",
    "COPY [\"x\", \"y\"]",
    "COPY --from=@e [\"x\", \"y\"]",
    "COPY --from=@e [\"x\"]",
    "COPY --from=@e []",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn pick(&mut self, items: &[&'static str]) -> &'static str {
        items[self.below(items.len())]
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn case(&mut self) -> Case {
        let mut lines: Vec<String> = Vec::new();
        if self.percent(30) {
            for _ in 0..=self.below(3) {
                lines.push(self.pick(DIRECTIVES).to_owned());
            }
        }
        if self.percent(30) {
            lines.push(
                self.pick(&["ARG V=@b", "ARG V", "ARG V=", "ARG V=@t"])
                    .to_owned(),
            );
        }
        for _ in 0..=self.below(3) {
            let parts = [
                "FROM".to_owned(),
                self.pick(PLATFORMS).to_owned(),
                // Most bases are names that exist: a file that is refused shows nothing else.
                match self.percent(70) {
                    true => "@a".to_owned(),
                    false => self.pick(BASES).to_owned(),
                },
                self.pick(NAMES).to_owned(),
            ];
            lines.push(parts.join(" "));
            for _ in 0..self.below(4) {
                let line = self.instruction();
                let trigger = match self.percent(15) {
                    true => "ONBUILD ",
                    false => "",
                };
                lines.push(format!("{trigger}{line}"));
            }
        }
        let end = match self.percent(10) {
            true => "\r\n",
            false => "\n",
        };
        let mark = match self.percent(10) {
            true => "\u{feff}",
            false => "",
        };
        let text = lines.iter().map(|line| format!("{line}{end}"));
        let mut case = Case::read("");
        case.text = format!("{mark}{}", text.collect::<String>()).replace("<NBSP>", "\u{a0}");
        if self.percent(15) {
            case.target = Some(self.pick(&["@s", "@T", "none"]).to_owned());
        }
        if self.percent(20) {
            let (name, value) = match self.below(5) {
                0 => ("V", "@d"),
                1 => ("BUILDKIT_SYNTAX", "@f an argument"),
                2 => ("BUILDKIT_DOCKERFILE_CHECK", "nonsense"),
                3 => ("BUILDKIT_DOCKERFILE_CHECK", "skip=all"),
                _ => ("V", ""),
            };
            case.arguments = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        }
        case
    }

    fn instruction(&mut self) -> String {
        match self.below(10) {
            0..4 => {
                let mut words = vec!["COPY".to_owned()];
                for _ in 0..self.below(3) {
                    words.push(self.pick(FLAGS_OF_COPY).to_owned());
                }
                words.push(self.pick(&["x y", "x y", "x y", "x", "", ". /"]).to_owned());
                words.join(" ")
            }
            4..7 => {
                let mut words = vec!["RUN".to_owned()];
                for _ in 0..=self.below(2) {
                    words.push(self.pick(FLAGS_OF_RUN).to_owned());
                }
                words.push("true".to_owned());
                words.join(" ")
            }
            _ => self.pick(OTHERS).to_owned(),
        }
    }
}
