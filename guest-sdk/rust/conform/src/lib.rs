//! The reference product of abi/abitest: it does, over the SDK, everything that the ABI offers.

use adp::{Batch, Date, Decimal, Op, Output, Product, Result, Run, Time, Timestamp, Writer};
use std::collections::HashMap;

adp::row! {
    /// A row of every type: input all, output rows.
    struct All<'a> {
        id: i64,
        bool: Option<bool>,
        int32: Option<i32>,
        int64: Option<i64>,
        float32: Option<f32>,
        float64: Option<f64>,
        decimal: Option<Decimal>,
        date: Option<Date>,
        time: Option<Time>,
        timestamp: Option<Timestamp>,
        timestamptz: Option<Timestamp>,
        string: Option<&'a str>,
        binary: Option<&'a [u8]>,
        list: Option<Vec<Option<i64>>>,
        r#struct as "struct": Option<Struct<'a>>,
        nested: Option<Vec<Option<Nested<'a>>>>,
        required_bool: bool,
        required_decimal: Decimal,
        required_string: String,
        required_binary: Vec<u8>,
        required_list: Vec<f32>,
        required_struct: Required,
    }
}

adp::row! {
    struct Struct<'a> {
        x: Option<i32>,
        name: Option<&'a str>,
        tags: Option<Vec<Option<&'a str>>>,
    }
}

adp::row! {
    struct Nested<'a> { k: &'a str, v: Option<f64> }
}

adp::row! {
    struct Required { a: i64, d: Date }
}

adp::row! {
    /// A row of input lookup and of output latest.
    struct Lookup<'a> { key: &'a str, value: Option<i64> }
}

adp::row! {
    /// A row of input changes.
    struct Change<'a> { key: &'a str, value: Option<i64>, op as "_op": Op }
}

adp::row! {
    /// A row of input commands.
    struct Command<'a> { name: &'a str, arg: Option<&'a str> }
}

adp::row! {
    /// A row of output facts.
    struct Fact<'a> { name: &'a str, value: Option<&'a str> }
}

adp::row! {
    /// A row of the bindings.
    struct Pair<'a> { k: i64, name: Option<&'a str> }
}

/// One run.
struct Conform {
    columns: Writer,
    rows: Output,
    latest: Output,
    facts: Output,
    sink: Output,
    lookup: HashMap<String, Option<i64>>,
    kept: Vec<String>,
    seen: usize,
}

impl Product for Conform {
    fn open(run: Run) -> Result<Self> {
        for input in ["all", "lookup", "changes", "commands"] {
            if !run.ports().iter().any(|p| p.what == "input" && p.name == input) {
                return Err(format!("the product declares no input {input}").into());
            }
        }
        Ok(Conform {
            columns: run.writer("columns")?,
            rows: run.output::<All>("rows")?,
            latest: run.output::<Lookup>("latest")?,
            facts: run.output::<Fact>("facts")?,
            sink: run.output::<Pair>("sink")?,
            lookup: HashMap::new(),
            kept: Vec::new(),
            seen: 0,
        })
    }

    fn process(&mut self, run: Run, batch: &Batch) -> Result<()> {
        self.seen += batch.len();
        match batch.port() {
            "all" => {
                self.copy_columns(batch);
                batch.rows::<All>()?.for_each(|row| self.rows.emit(&row));
            }
            "lookup" => self.lookup.extend(batch.rows::<Lookup>()?.map(|r| (r.key.to_owned(), r.value))),
            "changes" => {
                for r in batch.rows::<Change>()? {
                    let row = Lookup { key: r.key, value: r.value };
                    match r.op {
                        Op::Delete => self.latest.delete(&row),
                        Op::UpdateBefore => {}
                        _ => self.latest.emit(&row),
                    }
                }
            }
            _ => {
                for r in batch.rows::<Command>()? {
                    self.command(run, r.name, r.arg.unwrap_or(""))?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, _: Run) -> Result<()> {
        for text in &self.kept {
            self.answer("keep", Some(text));
        }
        if self.seen > 0 {
            self.answer("flush", Some(&self.seen.to_string()));
        }
        Ok(())
    }
}

adp::product!(Conform);

impl Conform {
    /// Moves the batch column by column.
    fn copy_columns(&self, batch: &Batch) {
        self.columns.build(|out| {
            for (to, from) in out.iter_mut().zip(batch.columns()) {
                (0..batch.len()).for_each(|i| to.copy(from, i));
            }
        });
    }

    fn answer(&self, name: &str, value: Option<&str>) {
        self.facts.emit(&Fact { name, value });
    }

    /// Carries out one command; abi/abitest lists them.
    fn command(&mut self, run: Run, name: &str, arg: &str) -> Result<()> {
        let (first, rest) = arg.split_once(' ').map_or((arg, None), |(a, b)| (a, Some(b)));
        let text = rest.unwrap_or("");
        match name {
            "ports" => {
                let ports: Vec<String> = run.ports().iter().map(|p| format!("{p} {}", p.mode)).collect();
                self.answer(name, Some(&ports.join("; ")));
            }
            "rebuild" => self.answer(name, Some(&run.rebuilding().to_string())),
            "config" => self.answer(name, run.config(arg).as_deref()),
            "log" => log(run, first, text)?,
            "clock" => self.answer(name, Some(&run.clock().to_string())),
            "random" => {
                let mut bytes = vec![0; arg.parse()?];
                run.random(&mut bytes);
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                self.answer(name, Some(&hex));
            }
            "counter" => run.count(first, text.parse()?),
            "gauge" => run.gauge(first, text.parse()?),
            "put" | "get" | "delete" | "scan" | "add" | "fill" => self.state(run, name, first, text)?,
            "lookup" => {
                let value = self.lookup.get(arg).copied().flatten();
                self.answer(name, value.map(|v| v.to_string()).as_deref());
            }
            "keep" => self.kept.push(arg.to_owned()),
            "decide" => {
                let (resource, purpose) = text.split_once(' ').unwrap_or((text, ""));
                let d = run.decide(first, resource, purpose);
                let word = if d.allow { "allow" } else { "deny" };
                self.answer(name, Some(&format!("{word} {}", d.reason)));
            }
            "read" => self.read(run, arg)?,
            "write" => self.sink.emit(&Pair { k: first.parse()?, name: rest }),
            "upsert" => {
                let value = rest.map(str::parse).transpose()?;
                self.latest.emit(&Lookup { key: first, value });
            }
            "remove" => self.latest.delete(&Lookup { key: first, value: None }),
            "fail" => return Err(arg.into()),
            "panic" => panic!("{arg}"),
            _ => return Err(format!("unknown command {name}").into()),
        }
        Ok(())
    }

    fn state(&self, run: Run, name: &str, key: &str, text: &str) -> Result<()> {
        let state = run.state();
        match name {
            "put" => state.put(key, text),
            "get" => self.answer(name, state.get(key).map(utf8).as_deref()),
            "delete" => state.delete(key),
            "scan" => {
                let all: Vec<String> = state.scan(key).map(|(k, v)| utf8(k) + "=" + &utf8(v)).collect();
                self.answer(name, Some(&all.join(";")));
            }
            "add" => self.answer(name, Some(&state.add(key, text.parse()?).to_string())),
            _ => {
                state.put(key, "x".repeat(text.parse()?));
                let n = state.get(key).map_or(0, |v| v.len());
                self.answer(name, Some(&n.to_string()));
            }
        }
        Ok(())
    }

    fn read(&self, run: Run, request: &str) -> Result<()> {
        let mut all = Vec::new();
        let mut reader = run.read("source", request.as_bytes())?;
        while let Some(batch) = reader.next()? {
            all.extend(batch.rows::<Pair>()?.map(|r| format!("{}:{}", r.k, r.name.unwrap_or(""))));
        }
        self.answer("read", Some(&all.join(",")));
        Ok(())
    }
}

fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn log(run: Run, level: &str, message: &str) -> Result<()> {
    match level {
        "debug" => run.debug(message),
        "info" => run.info(message),
        "warn" => run.warn(message),
        "error" => run.error(message),
        _ => return Err(format!("unknown level {level}").into()),
    }
    Ok(())
}
