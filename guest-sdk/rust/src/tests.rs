//! Products against the fake host, and the project's golden vectors.

use crate::memory::{self, u32_at, view, Segment};
use crate::run::root;
use crate::schema::read_ports;
use crate::test::Host;
use crate::types::{Field, Kind, Port};
use crate::{abi, json, Batch, Column, Date, Decimal, Mode, Op, Output, Product, Result, Run, Time, Timestamp, Writer};
use std::fmt::Write;
use std::path::Path;

/// The SDK reads the golden vectors as their texts say.
#[test]
fn vectors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../abi/abitest/testdata");
    let Ok(files) = std::fs::read_dir(&folder) else {
        return eprintln!("NOT CHECKED: the golden vectors are in the project's repository, not here");
    };
    let mut seen = 0;
    for file in files.map(|f| f.unwrap().path()).filter(|f| f.extension().is_some_and(|e| e == "bin")) {
        let want = std::fs::read_to_string(file.with_extension("txt")).unwrap();
        let got = unsafe { read_vector(&std::fs::read(&file).unwrap(), &want) };
        assert!(got == want, "{}:\n{got}\nwant\n{want}", file.display());
        seen += 1;
    }
    assert!(seen > 5, "{seen} vectors");
}

unsafe fn read_vector(bytes: &[u8], text: &str) -> String {
    let mut words = vec![0u128; bytes.len().div_ceil(16)];
    std::ptr::copy_nonoverlapping(bytes.as_ptr(), words.as_mut_ptr().cast(), bytes.len());
    memory::replace(vec![Segment { base: 1 << 16, ptr: words.as_ptr().cast(), len: bytes.len() }]);
    let number = |word: &str| -> u32 {
        let line = text.lines().find_map(|l| l.strip_prefix(word)).unwrap();
        line.trim().parse().unwrap()
    };
    let (block, array) = (number("block"), number("array"));
    let open = view(block, abi::OPEN_SIZE);
    let mut out = String::new();
    let rebuild = u32_at(open, abi::OPEN_FLAGS) & abi::OPEN_REBUILD != 0;
    writeln!(out, "block {block}\narray {array}\nrebuild {rebuild}").unwrap();
    let inputs = read_ports("input", u32_at(open, abi::OPEN_N_INPUTS), u32_at(open, abi::OPEN_INPUTS));
    let outputs = read_ports("output", u32_at(open, abi::OPEN_N_OUTPUTS), u32_at(open, abi::OPEN_OUTPUTS));
    let bindings = read_ports("binding", u32_at(open, abi::OPEN_N_BINDINGS), u32_at(open, abi::OPEN_BINDINGS));
    for p in inputs.iter().chain(&outputs).chain(&bindings) {
        write_port(&mut out, p);
    }
    let root = root(inputs[0]);
    let batch = Batch::read(inputs[0], &root, array);
    writeln!(out, "rows {}", batch.len()).unwrap();
    for i in 0..batch.len() {
        let values: Vec<String> = batch.columns().iter().map(|c| value(c, i)).collect();
        writeln!(out, "{}", values.join(", ")).unwrap();
    }
    memory::replace(Vec::new());
    out
}

fn write_port(out: &mut String, p: &Port) {
    writeln!(out, "{p} {}", p.mode).unwrap();
    write_fields(out, &p.columns, "  ");
}

fn write_fields(out: &mut String, fields: &[Field], indent: &str) {
    for f in fields {
        let null = if f.nullable { "?" } else { "" };
        writeln!(out, "{indent}{} {}{null}", f.name, crate::fake::format(f.kind)).unwrap();
        write_fields(out, &f.fields, &format!("{indent}  "));
    }
}

/// The notation of the vectors.
fn value(c: &Column, i: usize) -> String {
    let list = |values: Vec<String>| format!("[{}]", values.join(", "));
    if c.is_null(i) {
        return "null".into();
    }
    match c.field().kind {
        Kind::Bool => c.bools().unwrap().get(i).to_string(),
        Kind::Int32 => c.i32s().unwrap()[i].to_string(),
        Kind::Int64 => c.i64s().unwrap()[i].to_string(),
        Kind::Float32 => format!("f{:08x}", c.f32s().unwrap()[i].to_bits()),
        Kind::Float64 => format!("f{:016x}", c.f64s().unwrap()[i].to_bits()),
        Kind::Decimal(..) => c.decimals().unwrap()[i].0.to_string(),
        Kind::Date => c.dates().unwrap()[i].0.to_string(),
        Kind::Time => c.times().unwrap()[i].0.to_string(),
        Kind::Timestamp | Kind::TimestampTz => c.timestamps().unwrap()[i].0.to_string(),
        Kind::String => json::quote(c.strings().unwrap().get(i)),
        Kind::Binary => {
            let hex: String = c.binaries().unwrap().get(i).iter().map(|b| format!("{b:02x}")).collect();
            format!("x'{hex}'")
        }
        Kind::List => {
            let lists = c.lists().unwrap();
            list(lists.get(i).map(|j| value(lists.elements(), j)).collect())
        }
        Kind::Struct => list(c.children().iter().map(|m| value(m, i)).collect()),
        Kind::Unknown => "?".into(),
    }
}

crate::row! {
    #[derive(Clone, Debug, PartialEq)]
    struct In { id: i64, name: Option<String>, size: Option<f64> }
}

crate::row! {
    #[derive(Clone, Debug, PartialEq)]
    struct Out { id: i64, name: String }
}

/// A product that is a function, for tests. It is called in open (no batch), for each batch, and at flush (no batch).
macro_rules! product_of {
    ($name:ident, open $open:expr, batch $batch:expr, flush $flush:expr) => {
        struct $name;

        impl Product for $name {
            fn open(run: Run) -> Result<Self> {
                let open: fn(Run) -> Result<()> = $open;
                open(run)?;
                Ok($name)
            }

            fn process(&mut self, run: Run, batch: &Batch) -> Result<()> {
                let process: fn(Run, &Batch) -> Result<()> = $batch;
                process(run, batch)
            }

            fn flush(&mut self, run: Run) -> Result<()> {
                let flush: fn(Run) -> Result<()> = $flush;
                flush(run)
            }
        }
    };
}

fn host() -> Host {
    Host::new()
        .input::<In>("in", Mode::Incremental)
        .output::<Out>("out", Mode::Append)
        .output::<Out>("keyed", Mode::Upsert)
}

fn two() -> Vec<In> {
    vec![In { id: 1, name: None, size: None }, In { id: 2, name: Some("b".into()), size: Some(0.5) }]
}

/// Runs a product over one batch and tells why it failed.
fn failure<P: Product + 'static>() -> String {
    let run = host().open::<P>().and_then(|mut run| {
        run.feed("in", &two())?;
        run.flush()
    });
    run.err().unwrap_or_default()
}

macro_rules! fails {
    ($($want:literal: open $open:expr, batch $batch:expr, flush $flush:expr;)*) => {$({
        product_of!(Wrong, open $open, batch $batch, flush $flush);
        assert_eq!(failure::<Wrong>(), $want);
    })*};
}

/// What authors get wrong fails the run with words that help.
#[test]
fn mistakes() {
    crate::row! { struct Misspelt { nmae: Option<String> } }
    crate::row! { struct Narrow { id: i32 } }
    crate::row! { struct Strict { name: String } }
    crate::row! { struct Short { id: i64 } }
    fails! {
        "the product declares no output result; it has: out, keyed":
            open |run| run.output::<Out>("result").map(drop), batch |_, _| Ok(()), flush |_| Ok(());
        "the product declares no binding db; it has: none":
            open |run| run.read("db", b"").map(drop), batch |_, _| Ok(()), flush |_| Ok(());
        "output out: the row has no field for column name":
            open |run| run.output::<Short>("out").map(drop), batch |_, _| Ok(()), flush |_| Ok(());
        "output out: there is no column nmae; did you mean name?":
            open |run| run.output::<Misspelt>("out").map(drop), batch |_, _| Ok(()), flush |_| Ok(());
        "input in: there is no column nmae; did you mean name?":
            open |_| Ok(()), batch |_, b| b.rows::<Misspelt>().map(drop), flush |_| Ok(());
        "input in: column id is int64, not int32":
            open |_| Ok(()), batch |_, b| b.rows::<Narrow>().map(drop), flush |_| Ok(());
        "input in: column name is null in row 0 of the batch: make its field an Option":
            open |_| Ok(()), batch |_, b| b.rows::<Strict>().map(drop), flush |_| Ok(());
        "column id is int64, not string":
            open |_| Ok(()), batch |_, b| b.strings("id").map(drop), flush |_| Ok(());
        "input in has no column idd; did you mean id?":
            open |_| Ok(()), batch |_, b| b.i64s("idd").map(drop), flush |_| Ok(());
        "output out got columns of different length: id 1, name 0":
            open |run| { run.writer("out")?.column("id")?.i64(1); Ok(()) }, batch |_, _| Ok(()), flush |_| Ok(());
        "output out is no upsert output: rows cannot be deleted from it":
            open |run| { run.output::<Out>("out")?.delete(&Out { id: 1, name: String::new() }); Ok(()) }, batch |_, _| Ok(()), flush |_| Ok(());
        "state put : bad argument":
            open |run| { run.state().put("", ""); Ok(()) }, batch |_, _| Ok(()), flush |_| Ok(());
        "state text is not a i64":
            open |_| Ok(()), batch |run, _| { run.state().put("text", "four"); run.state().add("text", 1); Ok(()) }, flush |_| Ok(());
        "first":
            open |run| { run.fail("first"); run.fail("second"); Ok(()) }, batch |_, _| Ok(()), flush |_| Ok(());
        "my own":
            open |_| Ok(()), batch |_, _| Ok(()), flush |_| Err("my own".into());
    }
}

/// A call for another kind panics, which fails the run in a sandbox.
#[test]
#[should_panic(expected = "column id is int64, not String")]
fn wrong_kind() {
    product_of!(
        Wrong,
        open | run | {
            run.writer("out")?.column("id")?.string("x");
            Ok(())
        },
        batch | _,
        _ | Ok(()),
        flush | _ | Ok(())
    );
    failure::<Wrong>();
}

#[test]
#[should_panic(expected = "column id is required: it takes no null")]
fn null_in_required() {
    product_of!(
        Wrong,
        open | run | {
            run.writer("out")?.column("id")?.null();
            Ok(())
        },
        batch | _,
        _ | Ok(()),
        flush | _ | Ok(())
    );
    failure::<Wrong>();
}

/// Columns in, columns out, across the size of a batch.
#[test]
fn columns() {
    struct Keep(Writer);
    impl Product for Keep {
        fn open(run: Run) -> Result<Self> {
            Ok(Keep(run.writer("out")?))
        }

        fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
            let (ids, names) = (batch.i64s("id")?, batch.column("name")?);
            let text = names.strings()?;
            self.0.build(|out| {
                for i in (0..batch.len()).filter(|&i| !names.is_null(i)) {
                    out[0].i64(ids[i]);
                    out[1].string(text.get(i));
                }
            });
            assert_eq!(batch.column("size")?.nulls(), batch.len());
            Ok(())
        }
    }
    let rows: Vec<In> =
        (0..20_000).map(|id| In { id, name: (id % 3 > 0).then(|| format!("name {id}")), size: None }).collect();
    let want: Vec<Out> = rows.iter().filter_map(|r| Some(Out { id: r.id, name: r.name.clone()? })).collect();
    let mut run = host().open::<Keep>().unwrap();
    rows.chunks(5000).for_each(|part| run.feed("in", part).unwrap());
    let early = run.emitted::<Out>("out").len();
    run.flush().unwrap();
    assert!(run.emitted::<Out>("out") == want);
    assert!(early > 0 && early < want.len(), "{early} rows left before flush");
}

/// Emits and deletes keep their order, by rows and by columns.
#[test]
fn upsert() {
    product_of!(
        Mixed,
        open | run | {
            let w = run.output::<Out>("keyed")?;
            let row = |id, name: &str| Out { id, name: name.into() };
            w.emit(&row(1, "a"));
            w.delete(&row(1, ""));
            w.emit(&row(1, "b"));
            run.writer("keyed")?.build(|c| {
                c[0].i64s(&[2, 3]);
                c[1].string("c");
                c[1].string("");
                c[2].null();
                c[2].string("delete");
            });
            w.emit(&row(4, "d"));
            Ok(())
        },
        batch | _,
        _ | Ok(()),
        flush | _ | Ok(())
    );
    let mut run = host().open::<Mixed>().unwrap();
    run.flush().unwrap();
    let got: Vec<String> =
        run.changes::<Out>("keyed").into_iter().map(|(op, r)| format!("{} {} {}", op.as_str(), r.id, r.name)).collect();
    assert_eq!(got, ["upsert 1 a", "delete 1 ", "upsert 1 b", "upsert 2 c", "delete 3 ", "upsert 4 d"]);
}

crate::row! {
    /// A field of each kind.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Everything {
        a: bool,
        b: Option<i32>,
        c: i64,
        d: Option<f32>,
        e: f64,
        f: Option<Decimal>,
        g: Date,
        h: Option<Time>,
        i: Option<Timestamp>,
        j: String,
        k: Option<Vec<u8>>,
        l: Vec<String>,
        m: Option<Vec<Option<i64>>>,
        n: Inner,
        o: Option<Inner>,
        r as "renamed": i64,
    }
}

crate::row! {
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Inner { x: i64, y: Option<String>, z: Option<Vec<Leaf>> }
}

crate::row! {
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Leaf { q: Option<bool> }
}

/// Rows of every kind go through the layout unchanged.
#[test]
fn kinds() {
    struct Same(Output);
    impl Product for Same {
        fn open(run: Run) -> Result<Self> {
            Ok(Same(run.output::<Everything>("b")?))
        }

        fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
            batch.rows::<Everything>()?.for_each(|row| self.0.emit(&row));
            Ok(())
        }
    }
    let inner = Inner { x: 9, y: Some("y".into()), z: Some(vec![Leaf { q: Some(true) }, Leaf { q: None }]) };
    let full = Everything {
        a: true,
        b: Some(-1),
        c: 1 << 60,
        d: Some(1.5),
        e: -2.5,
        f: Some(Decimal(-7)),
        g: Date(3),
        h: Some(Time(4)),
        i: Some(Timestamp(5)),
        j: "ü".into(),
        k: Some(vec![]),
        l: vec!["a".into(), String::new()],
        m: Some(vec![None, Some(6)]),
        n: Inner { z: Some(vec![]), ..inner.clone() },
        o: Some(inner),
        r: 8,
    };
    let rows = [full.clone(), Everything::default(), full, Everything { k: Some(vec![1]), ..Everything::default() }];
    let rows: Vec<Everything> = rows.iter().cycle().take(37).cloned().collect();
    let host = Host::new().input::<Everything>("a", Mode::Incremental).output::<Everything>("b", Mode::Append);
    let mut run = host.open::<Same>().unwrap();
    run.feed("a", &rows).unwrap();
    run.feed("a", &rows[..1]).unwrap();
    run.flush().unwrap();
    let got: Vec<Everything> = run.emitted("b");
    assert_eq!(got[..37], rows);
    assert_eq!(got[37..], rows[..1]);
}

/// Settings, clock, randomness, metrics, policy, drivers.
#[test]
fn surroundings() {
    crate::row! {
        #[derive(Clone, Debug, PartialEq)]
        struct Pair { k: i64, v: Option<String> }
    }
    product_of!(
        All,
        open | run | {
            run.info(format!(
                "{} {} {}",
                run.setting("n", 1)?,
                run.setting("b", false)?,
                run.setting("none", "x".to_string())?
            ));
            assert_eq!(run.now().date(), Date::new(2030, 1, 1));
            assert_ne!(run.random_u64(), run.random_u64());
            run.count("c", 1.0);
            run.count("c", 2.0);
            run.gauge("g", 5.0);
            run.info(format!(
                "{} {}",
                run.decide("read", "adp://./a/b", "").allow,
                run.decide("write", "", "test").reason
            ));
            let sink = run.output::<Pair>("sink")?;
            let mut reader = run.read("source", b"all")?;
            while let Some(batch) = reader.next()? {
                batch.rows::<Pair>()?.for_each(|r| sink.emit(&Pair { k: r.k * 10, v: r.v }));
            }
            Ok(())
        },
        batch | _,
        _ | Ok(()),
        flush | _ | Ok(())
    );
    let pair = |k, v: Option<&str>| Pair { k, v: v.map(String::from) };
    let host = host().config("n", "7").config("b", "true").at(1_893_456_000_000_000_000).seed(3);
    let host = host.policy(|q| format!("{{\"allow\":{},\"reason\":{}}}", q.contains("read"), json::quote(q)));
    let host =
        host.source("source", move |request| Ok(vec![pair(1, Some(request)), pair(2, None)])).sink::<Pair>("sink");
    let mut run = host.open::<All>().unwrap();
    run.flush().unwrap();
    let lines: Vec<String> = run.logs().into_iter().map(|l| l.message).collect();
    assert_eq!(lines, ["7 true x", "true {\"action\":\"write\",\"purpose\":\"test\"}"]);
    assert_eq!((run.metric("c"), run.metric("g")), (3.0, 5.0));
    assert_eq!(run.emitted::<Pair>("sink"), [pair(10, Some("all")), pair(20, None)]);
}

/// State: values, pages of a scan.
#[test]
fn state() {
    product_of!(
        Fill,
        open | run | {
            let state = run.state();
            for i in 0..3000 {
                state.store(format!("k{i:04}"), &(i as i64, "v".repeat(i % 97)));
            }
            state.put("l", "beyond");
            state.delete("k0007");
            state.delete("k0007");
            assert_eq!(state.load::<(i64, String)>("k0003"), Some((3, "vvv".into())));
            assert_eq!((state.get("none"), state.add("n", 2), state.add("n", -5)), (None, 2, -3));
            let keys: Vec<String> = state.scan("k").map(|(k, _)| String::from_utf8(k).unwrap()).collect();
            let want: Vec<String> = (0..3000).filter(|i| *i != 7).map(|i| format!("k{i:04}")).collect();
            assert!(keys == want);
            Ok(())
        },
        batch | _,
        _ | Ok(()),
        flush | _ | Ok(())
    );
    let mut run = host().open::<Fill>().unwrap();
    run.flush().unwrap();
    assert_eq!(run.state().len(), 3001);
}

#[test]
fn ops() {
    for (op, adds) in [
        (Op::Insert, true),
        (Op::UpdateBefore, false),
        (Op::UpdateAfter, true),
        (Op::Delete, false),
        (Op::Upsert, true),
    ] {
        assert_eq!((op.adds(), op.removes(), Op::of(op.as_str())), (adds, !adds, op));
    }
}
