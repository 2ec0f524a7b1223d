//! The row kernel by which guests are measured against native code: a product whose work is all in the loop.
//! guest-sdk/go/kernel is the same in Go. The setting job chooses the loop; the sums leave at flush.

use adp::{Batch, Output, Product, Result, Run};

adp::row! {
    /// The row that output sums gets.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Sum {
        rows: i64, // kept by the row kernel; bytes counted by bytesum
        sum: f64,  // of all computed values
    }
}

/// One run: input rows has the columns k int64, v float64 and name string, all required.
struct Kernel {
    job: String,
    total: Sum,
    groups: [f64; 16],
    scratch: Vec<f64>,
    sums: Output,
}

impl Product for Kernel {
    fn open(run: Run) -> Result<Self> {
        Ok(Kernel {
            job: run.setting("job", "kernel".to_string())?,
            total: Sum::default(),
            groups: [0.0; 16],
            scratch: Vec::new(),
            sums: run.output::<Sum>("sums")?,
        })
    }

    fn process(&mut self, _: Run, batch: &Batch) -> Result<()> {
        let (k, v, name) = (batch.i64s("k")?, batch.f64s("v")?, batch.strings("name")?);
        if self.scratch.len() < batch.len() {
            self.scratch.resize(batch.len(), 0.0);
        }
        match self.job.as_str() {
            "dense" => {
                self.total.rows += batch.len() as i64;
                self.total.sum += dense(v, v, &mut self.scratch);
            }
            "bytesum" => self.total.rows += i64::from(byte_sum(name.bytes())),
            _ => {
                self.total.rows +=
                    kernel(k, v, name.offsets(), name.bytes(), &mut self.scratch, &mut self.groups) as i64
            }
        }
        Ok(())
    }

    fn flush(&mut self, _: Run) -> Result<()> {
        self.total.sum += self.groups.iter().sum::<f64>();
        self.sums.emit(&self.total);
        Ok(())
    }
}

adp::product!(Kernel);

/// Keeps the rows with k > 100 whose name is longer than 3 bytes and begins before 'n', computes v × 1.1 + k for each into out,
/// and adds that up by the last four bits of k. It returns how many rows it kept.
fn kernel(k: &[i64], v: &[f64], offsets: &[i32], data: &[u8], out: &mut [f64], sums: &mut [f64; 16]) -> usize {
    let mut n = 0;
    let (v, offsets) = (&v[..k.len()], &offsets[..k.len() + 1]);
    for (i, &key) in k.iter().enumerate() {
        let from = offsets[i];
        if key > 100 && offsets[i + 1] - from > 3 && data[from as usize] < b'n' {
            let y = v[i] * 1.1 + key as f64;
            out[n] = y;
            n += 1;
            sums[(key & 15) as usize] += y;
        }
    }
    n
}

/// Computes v × 1.1 + w into out and returns the sum, four values at a time.
fn dense(v: &[f64], w: &[f64], out: &mut [f64]) -> f64 {
    let mut s = [0f64; 4];
    let whole = v.len() / 4 * 4;
    for ((a, b), o) in v.chunks_exact(4).zip(w.chunks_exact(4)).zip(out.chunks_exact_mut(4)) {
        for j in 0..4 {
            let y = a[j] * 1.1 + b[j];
            o[j] = y;
            s[j] += y;
        }
    }
    for i in whole..v.len() {
        let y = v[i] * 1.1 + w[i];
        out[i] = y;
        s[0] += y;
    }
    s[0] + s[1] + s[2] + s[3]
}

/// Counts the bytes before 'n'.
fn byte_sum(p: &[u8]) -> u32 {
    p.iter().map(|b| u32::from(*b < b'n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use adp::test::Host;
    use adp::Mode;

    adp::row! {
        struct Input { k: i64, v: f64, name: String }
    }

    /// Each job over rows whose sums are known.
    #[test]
    fn jobs() {
        let rows: Vec<Input> =
            (0..103).map(|i| Input { k: i, v: 10.0, name: ["anna", "zoe"][i as usize % 2].into() }).collect();
        for (job, want) in [
            ("kernel", Sum { rows: 1, sum: 11.0 + 102.0 }),
            ("dense", Sum { rows: 103, sum: 103.0 * 21.0 }),
            ("bytesum", Sum { rows: 52 * 2 + 51, sum: 0.0 }),
        ] {
            let host = Host::new().input::<Input>("rows", Mode::Incremental).output::<Sum>("sums", Mode::Append);
            let mut run = host.config("job", job).open::<Kernel>().unwrap();
            run.feed("rows", &rows).unwrap();
            run.flush().unwrap();
            assert_eq!(run.emitted::<Sum>("sums"), [want], "{job}");
        }
    }
}
