//! Earthquakes within 100 km of each airport. What was counted so far is in the product's state; when the airports change,
//! the host starts over and the state is empty.

use adp::{Batch, Output, Product, Result, Run};

adp::row! {
    /// A row of the snapshot input airports.
    struct Airport {
        iata: String,
        name: String,
        latitude: f64,
        longitude: f64,
    }
}

adp::row! {
    /// A row of the incremental input quakes.
    struct Quake {
        magnitude: f64,
        latitude: f64,
        longitude: f64,
    }
}

adp::row! {
    /// A row of the upsert output exposure; its key is iata.
    struct Exposure<'a> {
        iata: &'a str,
        name: &'a str,
        quakes: i64,
        max_magnitude: Option<f64>,
        nearest_km: f64,
    }
}

/// How far from an airport an earthquake counts.
const RADIUS_KM: f64 = 100.0;

struct AirportExposure {
    exposure: Output,
    airports: Vec<Airport>,
    /// By position in airports: quakes of this run, the strongest and the nearest.
    seen: Vec<(i64, f64, f64)>,
}

impl Product for AirportExposure {
    fn open(run: Run) -> Result<Self> {
        Ok(AirportExposure { exposure: run.output::<Exposure>("exposure")?, airports: Vec::new(), seen: Vec::new() })
    }

    fn process(&mut self, _run: Run, batch: &Batch) -> Result<()> {
        if batch.port() == "airports" {
            self.airports.extend(batch.rows::<Airport>()?);
            return Ok(());
        }
        self.seen.resize(self.airports.len(), (0, f64::NEG_INFINITY, f64::INFINITY));
        for q in batch.rows::<Quake>()? {
            for (a, seen) in self.airports.iter().zip(&mut self.seen) {
                // A degree of latitude is 111 km: most airports are ruled out without trigonometry.
                if (a.latitude - q.latitude).abs() > 1.0 {
                    continue;
                }
                let km = distance_km(a.latitude, a.longitude, q.latitude, q.longitude);
                if km <= RADIUS_KM {
                    *seen = (seen.0 + 1, seen.1.max(q.magnitude), seen.2.min(km));
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, run: Run) -> Result<()> {
        for (a, &(quakes, strongest, nearest)) in self.airports.iter().zip(&self.seen) {
            if quakes == 0 {
                continue;
            }
            let before: Option<Vec<u8>> = run.state().get(&a.iata);
            let (n, max, km) = before.as_deref().and_then(decode).unwrap_or((0, f64::NEG_INFINITY, f64::INFINITY));
            let (n, max, km) = (n + quakes, max.max(strongest), km.min(nearest));
            run.state().put(&a.iata, encode(n, max, km));
            self.exposure.emit(&Exposure { iata: &a.iata, name: &a.name, quakes: n, max_magnitude: Some(max), nearest_km: km });
        }
        Ok(())
    }
}

fn encode(n: i64, max: f64, km: f64) -> Vec<u8> {
    [n.to_le_bytes(), max.to_le_bytes(), km.to_le_bytes()].concat()
}

fn decode(b: &[u8]) -> Option<(i64, f64, f64)> {
    let word = |i: usize| -> Option<[u8; 8]> { b.get(8 * i..8 * i + 8)?.try_into().ok() };
    Some((i64::from_le_bytes(word(0)?), f64::from_le_bytes(word(1)?), f64::from_le_bytes(word(2)?)))
}

/// Great-circle distance by the haversine formula, on a sphere of 6,371 km.
fn distance_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let (dlat, dlon) = ((lat2 - lat1).to_radians(), (lon2 - lon1).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat1.to_radians().cos() * lat2.to_radians().cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

adp::product!(AirportExposure);
