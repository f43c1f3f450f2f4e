use super::*;
use std::collections::BTreeMap;

const NOTHING: Wanted<'_> = Wanted {
    arguments: &BTreeMap::new(),
    target: None,
    platform: "linux/arm64/v8",
};

fn read(text: &str) -> Result<String, String> {
    read_bytes(text.as_bytes(), &NOTHING)
}

fn read_bytes(bytes: &[u8], wanted: &Wanted<'_>) -> Result<String, String> {
    let images = external_images("D", bytes, wanted).map_err(|error| error.to_string())?;
    Ok(images.into_iter().collect::<Vec<_>>().join(" "))
}

#[test]
fn arguments_of_the_build_win_where_an_arg_names_them() {
    let arguments = BTreeMap::from(
        [("V", "9"), ("NEVER", "x"), ("TARGETARCH", "own")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let wanted = Wanted {
        arguments: &arguments,
        target: Some("A"),
        ..NOTHING
    };
    for (text, expected) in [
        ("ARG V=1\nFROM a:$V AS a", "a:9"),
        ("ARG V\nFROM a:$V AS a", "a:9"),
        ("FROM a:${V:-2}${NEVER} AS a", "a:2"),
        ("ARG W=w-$V V X=$V\nFROM a:$W-$X AS a", "a:w--9"),
        ("FROM a:$TARGETARCH-$TARGETSTAGE AS a", "a:own-A"),
    ] {
        assert_eq!(
            read_bytes(text.as_bytes(), &wanted).as_deref(),
            Ok(expected),
            "{text}"
        );
    }
}

#[test]
fn builtin_arguments_follow_the_wanted_platform() {
    for (text, expected) in [
        (
            "FROM a-$TARGETOS-$TARGETARCH$TARGETVARIANT",
            "a-linux-arm64",
        ),
        (
            "FROM a/$TARGETPLATFORM:$TARGETSTAGE",
            "a/linux/arm64:default",
        ),
        ("FROM a:$TARGETSTAGE AS Last", "a:last"),
        ("FROM a-$BUILDOS", "a-linux"),
        ("ARG TARGETARCH\nFROM a-$TARGETARCH", "a-arm64"),
        ("ARG TARGETARCH=x\nFROM a-$TARGETARCH", "a-x"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn the_frontend_of_a_syntax_directive_is_an_image() {
    for (text, expected) in [
        (
            "# syntax=docker/dockerfile:1\nFROM a",
            "a docker/dockerfile:1",
        ),
        ("#Syntax = f:1 option=x  \r\nFROM a", "a f:1"),
        ("\u{feff}# syntax=f\nFROM a", "a f"),
        ("#!/usr/bin/env x\n# syntax=f\nFROM a", "a f"),
        ("# escape=`\n# syntax=f\nFROM a`\nb", "ab f"),
        ("# a comment\n# syntax=f\nFROM a", "a"),
        ("# unknown=x\n# syntax=f\nFROM a", "a"),
        ("\n# syntax=f\nFROM a", "a"),
        ("FROM a\n# syntax=f", "a"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
    let arguments = BTreeMap::from([("BUILDKIT_SYNTAX".to_owned(), "g:2 x".to_owned())]);
    let wanted = Wanted {
        arguments: &arguments,
        ..NOTHING
    };
    let text = b"# syntax=f\nFROM a";
    assert_eq!(read_bytes(text, &wanted).as_deref(), Ok("a g:2"));
}

#[test]
fn what_a_frontend_reads_that_is_no_dockerfile_is_refused_with_its_name() {
    for (text, expected) in [
        (
            "# syntax=edrevo/dockerfile-plus\nFROM a\nINCLUDE+ b",
            "D:3: INCLUDE+: there is no such instruction. The frontend `edrevo/dockerfile-plus` reads this file",
        ),
        (
            "//syntax=f\nFROM a",
            "D:1: //SYNTAX=F: there is no such instruction. The frontend `f` reads this file",
        ),
        (
            "#!/usr/bin/env x\n{\"syntax\": \"f:1\"}",
            "D:2: {\"SYNTAX\":: there is no such instruction. The frontend `f:1` reads this file",
        ),
        (
            "# syntax=docker/dockerfile:1\nFORM a",
            "D:2: FORM: there is no such instruction",
        ),
        (
            "//syntax=A\nFROM a",
            "D:1: syntax: the repository of `A` must be",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.starts_with(expected), "{text}: {error}");
        assert_eq!(
            error.contains("frontend"),
            expected.contains("frontend"),
            "{error}"
        );
    }
    // A mirror of Docker's own, and dialects that add nothing here.
    for frontend in ["mirror.example/docker/dockerfile:1", "f"] {
        let text = format!("# syntax={frontend}\nFROM a");
        assert_eq!(read(&text), Ok(format!("a {frontend}")));
    }
}

#[test]
fn errors_name_file_line_and_instruction() {
    for (text, expected) in [
        ("", "D: it has no instructions"),
        ("# only a comment\n", "D: it has no instructions"),
        ("ARG A=1\n", "D: it has no FROM"),
        ("\n\nFORM a", "D:3: FORM: there is no such instruction"),
        ("RUN x", "D:1: RUN: only ARG may precede"),
        ("FROM $A", "D:1: FROM: the base name `$A` is blank"),
        (
            "FROM a:$A",
            "D:1: FROM: `a:` does not name an image: its tag is malformed; no value was given for A",
        ),
        ("FROM a b", "D:1: FROM: it takes `IMAGE` or"),
        ("FROM a AS 1a", "D:1: FROM: `1a` is not a name for a stage"),
        (
            "FROM a\nRUN <<E\nx",
            "D:2: RUN: the here-document `E` does not end",
        ),
        (
            "FROM a\nCOPY --from=1 x y",
            "D:2: COPY: there is no stage 1",
        ),
        (
            "FROM a\n\nCOPY \\\n# c\n --from=0 x y",
            "D:3: COPY: stages take files from each other",
        ),
        (
            "FROM a\nADD --from=b x y",
            "D:2: ADD: it does not take --from",
        ),
        (
            "FROM a\nCOPY --from b x y",
            "D:2: COPY: --from needs a value: --from=VALUE",
        ),
        (
            "FROM a\nCOPY --form=b x y",
            "D:2: COPY: --form is not one of its flags: --chmod, ",
        ),
        ("FROM a\nENV --x A=1", "D:2: ENV: it takes no flags"),
        (
            "FROM a\nCOPY --from=b --from=c x y",
            "D:2: COPY: --from appears twice",
        ),
        (
            "FROM a\nRUN --mount=form=b true",
            "D:2: RUN: --mount=form=b has the unknown field `form`",
        ),
        (
            "FROM --platform=nonsense a",
            "D:1: FROM: `nonsense` is neither an operating system nor an architecture",
        ),
        ("# check=x\nFROM a", "D:1: check: `x` is not an option"),
        ("# escape=x\nFROM a", "D:1: escape: `x` is neither"),
        ("# escape=  \nFROM a", "D:1: escape: ` ` is neither"),
        (
            "# escape=`\n# escape=`\nFROM a",
            "D:2: escape: the directive appears twice",
        ),
        ("ARG A='\nFROM a", "D:1: ARG: in `A='`"),
    ] {
        let error = read(text).expect_err(text);
        // `ARG A='` quotes its value only.
        let expected = expected.replace("in `A='`", "in `'`");
        assert!(error.starts_with(&expected), "{text}: {error}");
    }
    let wanted = Wanted {
        target: Some("no"),
        ..NOTHING
    };
    let error = read_bytes(b"FROM a AS b", &wanted).unwrap_err();
    assert_eq!(error, "D: it has no stage `no` to build");
}

#[test]
fn bytes_that_are_not_utf8_do_not_matter_elsewhere() {
    let read = |bytes: &[u8]| read_bytes(bytes, &NOTHING);
    assert_eq!(read(b"FROM a # \xff").ok(), None);
    assert_eq!(read(b"# \xff\nFROM a\nLABEL x=\xfe\n").as_deref(), Ok("a"));
    assert!(read(b"FROM a\nRUN <<\xff\n\xfe\n").is_err());
    assert!(read(b"FROM a\xff").is_err());
}

#[test]
fn a_line_is_as_long_as_buildkit_reads() {
    let text = |length: usize| format!("FROM a\n#{}\n", "x".repeat(length - 2));
    assert!(read(&text(64 * 1024)).is_ok());
    assert!(read(&text(64 * 1024 + 1)).is_err());
}

#[test]
fn names_of_stages() {
    let names = stage_names(b"ARG A\nFROM a AS One\nFROM b\nFROM c as two\n");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn what_may_be_taken_of_the_context() {
    for (text, expected) in [
        ("COPY . /app/", true),
        ("COPY a ./ /app/", true),
        ("COPY /a/../ /app/", true),
        ("COPY [\"a\", \".\", \"/app/\"]", true),
        ("ADD .x/y /app/", true),
        ("COPY * /app/", true),
        ("COPY .? /app/", true),
        ("COPY ./.* /app/", true),
        ("COPY .x/* /app/", true),
        ("COPY b*/../.x /app/", true),
        ("COPY $A /app/", true),
        ("ONBUILD COPY . /app/", true),
        ("RUN --mount=target=/x true", true),
        (
            "RUN --mount=type=bind,src=a,dst=/x --mount=source=.x,target=/y true",
            true,
        ),
        ("RUN --mount=type=$T,target=/x true", true),
        ("COPY a /.x", false),
        ("COPY b* /app/", false),
        ("COPY .y* ./b[c]/.x b/* /app/", false),
        ("COPY --chown=1 .xy a/.x /", false),
        ("COPY --from=b . /app/", false),
        ("COPY <<E /app/\nCOPY . /\nE", false),
        ("ADD https://example.com/a /app/", false),
        ("RUN cp . /app/", false),
        (
            "RUN --mount=from=b,target=/x --mount=type=cache,target=/y true",
            false,
        ),
        ("RUN --mount=src=a,target=/x true", false),
    ] {
        let text = format!("FROM a\n{text}\n");
        assert_eq!(may_take(text.as_bytes(), ".x"), expected, "{text}");
    }
}

#[test]
fn a_build_leaves_no_times_where_it_copies_folders_onto_those_that_are_there() {
    let folders = BTreeSet::from(["a", "a/usr", "a/usr/share", "b", "b/deep"]);
    let leaves_none =
        |text: &str| leaves_no_times(format!("FROM x\n{text}\n").as_bytes(), &folders);
    for text in [
        "ENV A=b\nENTRYPOINT [\"/x\"]",
        "COPY a /",
        "COPY a/ ./b/ //",
        "COPY a* file /",
        "COPY [\"a\", \"/\"]",
        "COPY a /\nCOPY b /usr/share/",
        "COPY a /\nCOPY b /usr/share\nCOPY a /usr/share/deep\nUSER 1",
    ] {
        assert!(leaves_none(text), "{text}");
    }
    for text in [
        "RUN true",
        "ADD a /",
        "WORKDIR /usr",
        "ONBUILD COPY a /",
        "COPY a /usr",
        "COPY b /usr/share\nCOPY a /",
        "COPY a* /\nCOPY b /usr/share",
        "COPY a /\nCOPY file /usr/share/",
        "COPY a /\nCOPY b* /usr/share/",
        "COPY a /\nCOPY b file /usr/share/",
        "COPY a /\nCOPY b /usr/share/other",
        "COPY a /\nCOPY b /usr/share/../other",
        "COPY --link a /",
        "COPY --from=x a /",
        "COPY $A /",
        "COPY a $A",
        "COPY <<E /\nx\nE",
        "COPY a /\nFROM y\nCOPY b /usr/share",
    ] {
        assert!(!leaves_none(text), "{text}");
    }
    assert!(!leaves_no_times(b"COPY <<", &folders));
}

#[test]
fn many_stages_need_no_deep_stack() {
    let mut text = "FROM a AS s0\n".to_owned();
    for stage in 1..20_000 {
        text.push_str(&format!(
            "FROM scratch AS s{stage}\nCOPY --from=s{} x y\n",
            stage - 1
        ));
    }
    assert_eq!(read(&text).as_deref(), Ok("a"));
}

#[test]
fn a_platform_has_one_name() {
    for (text, expected) in [
        ("linux/amd64", Some("linux/amd64")),
        ("Linux/x86_64", Some("linux/amd64")),
        ("linux/aarch64", Some("linux/arm64")),
        ("linux/arm/7", Some("linux/arm/v7")),
        ("linux/riscv64", Some("linux/riscv64")),
        ("", None),
        ("bogus", None),
        ("linux/", None),
        ("linux/amd64,linux/arm64", None),
        ("linux/arm/v7/x", None),
    ] {
        assert_eq!(normalised_platform(text).as_deref(), expected, "{text}");
    }
}
