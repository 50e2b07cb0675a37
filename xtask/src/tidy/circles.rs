//! Circles of imports: files that can be understood only together.

use super::modules::Modules;
use super::{File, assert_none, files};

/// A pair may belong together; more is a knot.
const FILES: usize = 2;

#[test]
fn no_circle_of_imports_has_more_than_two_files() {
    let files = files(&["host/src"], &["rs"]);
    let knots = circles(&files).into_iter().filter(|circle| FILES < circle.len());
    assert_none(&knots.map(|circle| format!("a knot: {}", circle.join(", "))).collect::<Vec<_>>());
}

/// The sets of files that import one another, the largest first. A file that only declares another one with `mod` does
/// not import it.
fn circles(files: &[File]) -> Vec<Vec<String>> {
    let modules = Modules::of("host/src/", files);
    let each: Vec<_> = modules.each().collect();
    let number = |module: &[String]| each.iter().position(|(known, _)| *known == module);
    let edges = each.iter().map(|(module, file)| {
        let imports = modules.imports(module, file);
        let owners = imports.iter().filter_map(|import| number(modules.owner(&import.path)?));
        owners.collect()
    });
    let mut circles = strongly_connected(&edges.collect::<Vec<Vec<usize>>>());
    circles.retain(|circle| 1 < circle.len());
    circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    let path = |number: &usize| each[*number].1.path.clone();
    circles.iter().map(|circle| circle.iter().map(path).collect()).collect()
}

/// Tarjan's strongly connected components of a graph, each in ascending order.
fn strongly_connected(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search { edges, seen: vec![None; edges.len()], ..Search::default() };
    for node in 0..edges.len() {
        if search.seen[node].is_none() {
            search.visit(node);
        }
    }
    search.found
}

#[derive(Default)]
struct Search<'a> {
    edges: &'a [Vec<usize>],
    /// When each node was met, and the earliest that is reached from it.
    seen: Vec<Option<(usize, usize)>>,
    met: usize,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// As deep as the longest chain of imports.
    fn visit(&mut self, node: usize) -> usize {
        let index = self.met;
        let mut low = index;
        self.met += 1;
        self.seen[node] = Some((index, low));
        self.stack.push(node);
        for &next in &self.edges[node] {
            match self.seen[next] {
                None => low = low.min(self.visit(next)),
                Some((index, _)) if self.stack.contains(&next) => low = low.min(index),
                Some(_) => {}
            }
        }
        self.seen[node] = Some((index, low));
        if low == index {
            let at = self.stack.iter().position(|it| *it == node).expect("it was pushed");
            let mut circle = self.stack.split_off(at);
            circle.sort_unstable();
            self.found.push(circle);
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree;

    #[test]
    fn components_of_a_graph() {
        // 0 → 1 → 2 → 0, 2 → 3 ⇄ 4, and 5 alone with itself.
        let edges = [vec![1], vec![2], vec![0, 3], vec![4], vec![3], vec![5, 0]];
        let mut found = strongly_connected(&edges);
        found.sort();
        assert_eq!(found, [vec![0, 1, 2], vec![3, 4], vec![5]]);
    }

    #[test]
    fn a_circle_is_told_by_its_files() {
        let files = tree(&[
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "fn f() { crate::c::g() }"),
            ("c.rs", "use super::a::A;"),
            ("d.rs", "use crate::a::A;"),
        ]);
        assert_eq!(circles(&files), [["host/src/a.rs", "host/src/b.rs", "host/src/c.rs"]]);
    }

    #[test]
    fn declaring_a_module_is_not_importing_it() {
        let child = ("a/b.rs", "use super::A; use crate::a::A as _;");
        assert!(circles(&tree(&[("a.rs", "mod b; pub struct A;"), child])).is_empty());
        let both = [["host/src/a.rs", "host/src/a/b.rs"]];
        assert_eq!(circles(&tree(&[("a.rs", "mod b; use self::b::B;"), child])), both);
        assert_eq!(circles(&tree(&[("a.rs", "mod b; fn f() { b::g() }"), child])), both);
    }
}
