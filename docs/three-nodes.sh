#!/usr/bin/env bash
# Three nodes on one machine run a mesh under load. An owner is killed with SIGKILL, another node is drained, and in the
# end every product holds exactly the rows that a single node, which nobody disturbed, makes of the same files.
#
#   docs/three-nodes.sh            needs adp on the PATH, or ADP=/path/to/adp; about a minute
set -euo pipefail
adp=${ADP:-adp}
work=$(mktemp -d)
products=(p1 p2 p3 p4 p5 p6)
pids=()
end() { kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"; }
trap end EXIT
say() { printf '%s\n' "$*" >&2; }
eventually() { # what command…
  local what=$1; shift
  for _ in $(seq 600); do "$@" && return; sleep 0.2; done
  say "never: $what"; for log in "$work"/*.log; do say "--- $log"; tail -5 "$log" >&2; done
  exit 1
}
url() { sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/$1/node.json"; }
node() { # name flags…: one that runs in the background
  local name=$1; shift
  "$adp" up --data "$work/$name" --name "$name" --listen 127.0.0.1:0 "$@" 2>"$work/$name.log" &
  pids+=($!)
  eval "pid_$name=$!"
  eventually "$name answers" test -s "$work/$name/node.json"
}
drop() { printf 'name,town\n%s,Town %s\n' "P$1" "$1" >"$work/in/.$1"; mv "$work/in/.$1" "$work/in/$1.csv"; } # renamed in: never read half

say "three nodes, of which each comes to carry a member of etcd"
node n1 --cluster --lease 5s
for n in n2 n3; do node $n --lease 5s --join "$(url n1)" --token-file "$work/n1/token"; done
voters() { [ "$("$adp" node ls --data "$work/n1" -o json | grep -c '"member": "voter"')" = 3 ]; }
eventually "three members of etcd vote" voters
"$adp" node ls --data "$work/n1"

say "six products over one folder"
mkdir "$work/in"
drop 0
cd "$work"
for p in "${products[@]}"; do
  "$adp" new "$p" --lang go >/dev/null 2>&1
  "$adp" build "$p" --to "$p.adp" >/dev/null 2>&1
  "$adp" run "$p.adp" --source people=file:"$work/in" --data "$work/n1" >/dev/null
done
owned() { "$adp" node ls --data "$work/n1" -o json | tr -d ' \n' | sed 's/},{/}\n{/g' | grep "\"node\":\"$1\"" | grep -o '"products":[0-9]*' | cut -d: -f2; }
even() { [ "$(owned n1)" = 2 ] && [ "$(owned n2)" = 2 ] && [ "$(owned n3)" = 2 ]; }
eventually "each node owns two products" even

say "load: a file every tenth of a second"
(for i in $(seq 200); do drop "$i"; sleep 0.1; done) &
load=$!
sleep 3
say "SIGKILL to n2, which owns two products"
kill -9 "$pid_n2"
taken() { [ "$(($(owned n1) + $(owned n3)))" = 6 ]; }
eventually "n1 and n3 have taken over" taken
say "drain n3"
"$adp" node drain n3 --data "$work/n1" >/dev/null
drained() { [ "$(owned n3)" = 0 ]; }
eventually "n3 is empty" drained
wait "$load"

rows() { "$adp" access "demo/$1" --as csv --data "$work/$2" 2>/dev/null | sort | sha256sum | cut -c1-16; }
count() { "$adp" access "demo/$1" --as csv --data "$work/$2" 2>/dev/null | wc -l; }
all() { for p in "${products[@]}"; do [ "$(count "$p" n1)" -ge 202 ] || return 1; done; }
eventually "every product has read every file" all

say "the same files on a node that nobody disturbs"
node solo
for p in "${products[@]}"; do "$adp" run "$p.adp" --source people=file:"$work/in" --data "$work/solo" >/dev/null; done
echo "PRODUCT  ROWS  DISTURBED         UNDISTURBED"
bad=0
for p in "${products[@]}"; do
  a=$(rows "$p" n1); b=$(rows "$p" solo)
  echo "$p       $(($(count "$p" n1) - 1))   $a  $b"
  [ "$a" = "$b" ] || bad=1
done
[ $bad = 0 ] || { say "rows were lost or doubled"; exit 1; }
echo "equal: nothing lost, nothing doubled"
