//! The plug-in of ../go/main.go, in Rust.

use extism_pdk::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Person {
    name: String,
    town: Option<String>,
}

#[derive(Serialize)]
struct Greeting {
    name: String,
    greeting: String,
    letters: usize,
}

/// Takes an object a line and answers with one a line.
#[plugin_fn]
pub fn run(input: String) -> FnResult<String> {
    let word = config::get("greeting")?.unwrap_or("Hello".into());
    let mut out = String::new();
    for line in input.lines() {
        let who: Person = serde_json::from_str(line)?;
        let of = who.town.map(|t| " of ".to_string() + &t).unwrap_or_default();
        let letters = who.name.chars().count();
        let greeting = format!("{word} {}{of}!", who.name);
        out += &serde_json::to_string(&Greeting { name: who.name, greeting, letters })?;
        out.push('\n');
    }
    Ok(out)
}

/// Does nothing.
#[plugin_fn]
pub fn noop() -> FnResult<()> {
    Ok(())
}

/// Answers with what it gets.
#[plugin_fn]
pub fn echo(input: Vec<u8>) -> FnResult<Vec<u8>> {
    Ok(input)
}

/// Answers {"count":N}.
#[plugin_fn]
pub fn count_vowels(input: Vec<u8>) -> FnResult<String> {
    let n = input.iter().filter(|c| b"aeiouAEIOU".contains(c)).count();
    Ok(format!("{{\"count\":{n}}}"))
}

/// Answers with the setting that its input names, "none" where there is none.
#[plugin_fn]
pub fn setting(input: String) -> FnResult<String> {
    Ok(config::get(input)?.unwrap_or("none".into()))
}

/// Answers with its input of the call before, and logs what it has now.
#[plugin_fn]
pub fn remember(input: String) -> FnResult<String> {
    let last: Option<String> = var::get("last")?;
    var::set("last", &input)?;
    info!("remembered {input}");
    Ok(last.unwrap_or_default())
}

fn word(b: &[u8], i: usize) -> [u8; 8] {
    b[8 * i..8 * i + 8].try_into().unwrap()
}

/// The row kernel by which guests are measured, over raw columns; ../go/main.go says how they lie.
#[plugin_fn]
pub fn kernel(input: Vec<u8>) -> FnResult<Vec<u8>> {
    let rows = u64::from_le_bytes(word(&input, 0)) as usize;
    let (k, rest) = input[8..].split_at(8 * rows);
    let (v, rest) = rest.split_at(8 * rows);
    let (offsets, names) = rest.split_at(4 * (rows + 1));
    let offset = |i: usize| i32::from_le_bytes(offsets[4 * i..4 * i + 4].try_into().unwrap());
    let mut sums = [0f64; 16];
    let mut kept = 0u64;
    for i in 0..rows {
        let key = i64::from_le_bytes(word(k, i));
        let from = offset(i);
        if key > 100 && offset(i + 1) - from > 3 && names[from as usize] < b'n' {
            sums[(key & 15) as usize] += f64::from_le_bytes(word(v, i)) * 1.1 + key as f64;
            kept += 1;
        }
    }
    let mut out = kept.to_le_bytes().to_vec();
    out.extend_from_slice(&sums.iter().sum::<f64>().to_le_bytes());
    Ok(out)
}

/// Says that it failed.
#[plugin_fn]
pub fn fail(input: String) -> FnResult<String> {
    Err(WithReturnCode::new(Error::msg(format!("no: {input}")), 1))
}

/// Takes a method and an address, as in "GET https://example.com/", and answers with what came: the status, the header X-Page and the body, a line each.
#[plugin_fn]
pub fn fetch(input: String) -> FnResult<Vec<u8>> {
    let (method, url) = input.split_once(' ').unwrap_or(("GET", &input));
    let request = HttpRequest::new(url).with_method(method).with_header("X-Asked", "by a plug-in");
    let page = http::request::<()>(&request, None)?;
    let mut out = format!("{}\n{}\n", page.status_code(), page.header("x-page").unwrap_or("")).into_bytes();
    out.extend(page.body());
    Ok(out)
}

#[derive(Deserialize)]
struct Question {
    subject: Subject,
    action: String,
    resource: Resource,
    #[serde(default)]
    purpose: String,
}

#[derive(Deserialize)]
struct Subject {
    kind: String,
}

#[derive(Deserialize)]
struct Resource {
    product: Product,
}

#[derive(Deserialize)]
struct Product {
    domain: String,
}

#[derive(Serialize)]
struct Decision {
    allow: bool,
    reason: &'static str,
}

/// Is a policy: rows of the domain private are for products, and for whoever says what for.
#[plugin_fn]
pub fn decide(input: String) -> FnResult<String> {
    let q: Question = serde_json::from_str(&input)?;
    let mut answer = Decision { allow: true, reason: "it is not about private rows" };
    if q.action == "read" && q.resource.product.domain == "private" {
        answer.allow = q.subject.kind == "product" || !q.purpose.is_empty();
        answer.reason = "private rows are for products, and for who says what for";
    }
    Ok(serde_json::to_string(&answer)?)
}
