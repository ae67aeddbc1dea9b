//! k-means on one axis: where the values of a codebook lie.
//!
//! Deep Compression (Han, Mao and Dally 2016, arXiv 1510.00149, §3) starts from centroids at equal distances between the least
//! and the greatest weight, and lets Lloyd's rounds move each to the mean of the weights that are nearest to it. Values are
//! sorted once, so a round looks only for the borders between clusters. A centroid that has lost all its values is put to use
//! where it helps most: it takes half of the cluster with the greatest squared error, cut at its mean. Sums are f64, in
//! ascending order of the values.

use std::rc::Rc;

/// Most rounds; what has not settled by then stays as it is.
pub const ROUNDS: usize = 300;

/// Values, and centroids on their way.
pub struct Clusters {
    sorted: Vec<f32>,
    /// Sums of the first 0, 1, 2 … values, and of their squares.
    sums: Vec<[f64; 2]>,
    /// Ascending.
    centroids: Vec<f64>,
    /// The clusters of the last round: places of their first values and of those behind their last.
    clusters: Vec<(usize, usize)>,
}

impl Clusters {
    /// `count` centroids for ascending, finite values.
    pub fn new(sorted: Vec<f32>, count: usize) -> Self {
        let (low, high) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0));
        let (low, width) = (f64::from(low), f64::from(high) - f64::from(low));
        let last = count.saturating_sub(1).max(1) as f64;
        let centroids = (0..count).map(|i| low + width * i as f64 / last).collect();
        let mut sums = vec![[0.0; 2]; sorted.len() + 1];
        for (i, &value) in sorted.iter().enumerate() {
            let value = f64::from(value);
            sums[i + 1] = [sums[i][0] + value, sums[i][1] + value * value];
        }
        Self { sorted, sums, centroids, clusters: Vec::new() }
    }

    /// One of Lloyd's rounds; false when nothing moved. Of two centroids equally near, a value takes the lower.
    pub fn round(&mut self) -> bool {
        let borders = self.centroids.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
        let end = |border: f64| self.sorted.partition_point(|&value| f64::from(value) <= border);
        let mut clusters = Vec::with_capacity(self.centroids.len());
        let mut from = 0;
        for to in borders.map(end).chain([self.sorted.len()]) {
            if to > from {
                clusters.push((from, to));
                from = to;
            }
        }
        while clusters.len() < self.centroids.len() && self.split(&mut clusters) {}
        if clusters == self.clusters {
            return false;
        }
        let mut centroids: Vec<f64> = clusters.iter().map(|&cluster| self.mean(cluster)).collect();
        // More centroids than different values: the others stay on the last.
        centroids.resize(self.centroids.len(), centroids.last().copied().unwrap_or(0.0));
        (self.centroids, self.clusters) = (centroids, clusters);
        true
    }

    fn mean(&self, (from, to): (usize, usize)) -> f64 {
        (self.sums[to][0] - self.sums[from][0]) / (to - from) as f64
    }

    /// Squared error of a cluster; 0 where its values are equal.
    fn error(&self, (from, to): (usize, usize)) -> f64 {
        if self.sorted[from] == self.sorted[to - 1] {
            return 0.0;
        }
        let [sum, squares] = [0, 1].map(|i| self.sums[to][i] - self.sums[from][i]);
        squares - sum * sum / (to - from) as f64
    }

    /// Cuts the cluster of the greatest error, the lowest of equals, in two at its mean; false when none has any.
    fn split(&self, clusters: &mut Vec<(usize, usize)>) -> bool {
        let (mut worst, mut most) = (0, 0.0);
        for (i, &cluster) in clusters.iter().enumerate() {
            let error = self.error(cluster);
            if error > most {
                (worst, most) = (i, error);
            }
        }
        if most == 0.0 {
            return false;
        }
        let (from, to) = clusters[worst];
        let mean = self.mean(clusters[worst]);
        let below = self.sorted[from..to].partition_point(|&value| f64::from(value) <= mean);
        let cut = (from + below).clamp(from + 1, to - 1);
        clusters[worst] = (from, cut);
        clusters.insert(worst + 1, (cut, to));
        true
    }

    /// The centroids as they are stored.
    pub fn codebook(&self) -> Rc<[f32]> {
        self.centroids.iter().map(|&centroid| centroid as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::codebook::nearest;
    use crate::math::sort;
    use serde_json::Value;

    fn settled(values: &[f32], count: usize) -> (Rc<[f32]>, usize) {
        let mut sorted = values.to_vec();
        sort(&mut sorted);
        let mut clusters = Clusters::new(sorted, count);
        let rounds = (0..ROUNDS).take_while(|_| clusters.round()).count();
        (clusters.codebook(), rounds)
    }

    fn objective(values: &[f32], codebook: &[f32]) -> f64 {
        let error = |&v: &f32| f64::from(v) - f64::from(codebook[nearest(codebook, v) as usize]);
        values.iter().map(|v| error(v) * error(v)).sum()
    }

    #[test]
    fn no_worse_than_scikit_learn_from_the_same_start() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/kmeans.json")).unwrap();
        let whole = |v: &Value| v.as_i64().unwrap() as f32 / 4096.0;
        let values: Vec<f32> = all["values_4096ths"].as_array().unwrap().iter().map(whole).collect();
        let cases = all["objectives"].as_array().unwrap();
        assert!(cases.len() >= 4 && values.len() >= 1000);
        for case in cases {
            let (clusters, theirs) = (case["clusters"].as_u64().unwrap(), case["objective"].as_f64().unwrap());
            let (codebook, _) = settled(&values, clusters as usize);
            let ours = objective(&values, &codebook);
            assert!(ours <= theirs * (1.0 + 1e-6), "{clusters} clusters: {ours} against {theirs}");
        }
    }

    #[test]
    fn values_fewer_than_centroids_are_kept_exactly() {
        let values = [0.5, -1.0, 0.5, 0.25, 3.0];
        let (codebook, rounds) = settled(&values, 8);
        assert_eq!(objective(&values, &codebook), 0.0);
        assert!(rounds < ROUNDS);
        assert_eq!(settled(&[], 4).0.as_ref(), [0.0; 4]);
    }

    #[test]
    fn every_round_lowers_the_error() {
        let mut rng = crate::rng::Rng::stream(3, "kmeans", 0);
        let mut sorted: Vec<f32> = (0..900).map(|_| rng.uniform(-1.0, 1.0) * rng.uniform(0.0, 1.0)).collect();
        sort(&mut sorted);
        let mut clusters = Clusters::new(sorted.clone(), 32);
        let mut before = objective(&sorted, &clusters.codebook());
        for _ in 0..50 {
            clusters.round();
            let now = objective(&sorted, &clusters.codebook());
            assert!(now <= before * (1.0 + 1e-6), "{now} after {before}");
            before = now;
        }
    }
}
