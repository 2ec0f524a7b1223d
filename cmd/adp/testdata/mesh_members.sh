#!/usr/bin/env bash
# Members of a mesh's own etcd come, go and come back: the first node is lost as soon as there are three, the others are restarted
# without it, and members that run no products are killed together. ADP is the program (default: the one on the PATH), the working directory is scratch.
set -euo pipefail
work=$PWD
adp=${ADP:-adp}
pids=()
end() { kill -9 "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; }
trap end EXIT
fail() { printf 'not so: %s\n' "$*" >&2; for log in "$work"/*.log; do printf -- '--- %s\n' "$log" >&2; tail -5 "$log" >&2; done; exit 1; }
eventually() { local what=$1; shift; for _ in $(seq 600); do "$@" && return; sleep 0.2; done; fail "$what"; }
url() { sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/$1/node.json"; }
run() { local name=$1; shift; "$adp" up --data "$work/$name" --name "$name" "$@" 2>>"$work/$name.log" & pids+=($!); eval "pid_$name=$!"; }
node() { local name=$1; shift; rm -f "$work/$name/node.json"; run "$name" --listen 127.0.0.1:0 --lease 2s "$@"; eventually "$name answers" test -s "$work/$name/node.json"; }
member() { local name=$1; shift; run "$name" --role etcd "$@"; }
killed() { kill -9 "$@"; wait "$@" 2>/dev/null || true; }
says() { timeout 10 "$adp" node ls --data "$work/$1" 2>&1 | grep -q "$2"; }

echo "two do not vote, since two survive less than one" >&2
node n1 --cluster
token=$work/n1/token
node n2 --join "$(url n1)" --token-file "$token"
member e1 --join "$(url n1)" --token-file "$token"
eventually "the second follows" says n1 'one member of etcd.*1 more without a vote'
killed "$pid_e1" # before there were three
member e1 --join "$(url n1)" --token-file "$token"
eventually "it follows again" says n1 'one member of etcd.*1 more without a vote'
says n1 '2 members' && fail "two members vote"

echo "three vote, and the loss of one is said" >&2
member e2 --join "$(url n1)" --token-file "$token"
eventually "three vote" says n1 '3 members of etcd: 1 may fail'
killed "$pid_e2"
eventually "one is down" says n1 '3 members of etcd, 1 of them down: no other may fail'
member e2 --join http://nobody
eventually "three vote again" says n1 '3 members of etcd: 1 may fail'

knows() { [ "$(grep -o 'https://' "$work/$1/members.json" 2>/dev/null | wc -l)" = "$2" ]; }
eventually "n2 knows all three" knows n2 3

echo "all are killed, and come back in another order" >&2
killed "$pid_n1" "$pid_n2" "$pid_e1" "$pid_e2"
member e2 --join http://nobody
member e1 --join http://nobody
node n2 --join http://nobody
node n1 --cluster
eventually "three vote after a power cut" says n2 '3 members of etcd: 1 may fail'

echo "the first is lost at once after it became one of three; the others go on, and can be restarted" >&2
killed "$pid_n1"
eventually "n2 goes on" says n2 '1 of them down'
kill -INT "$pid_n2"; wait "$pid_n2" || true
node n2 --join http://nobody
eventually "n2 is back without n1" says n2 '1 of them down'
if "$adp" up --data "$work/n9" --name n9 --listen 127.0.0.1:0 --join "$(url n2)" --token-file "$token" 2>n9.said; then fail "n2 signed a certificate"; fi
grep -q 'ADP-N005' n9.said || fail "$(cat n9.said)"
[ ! -e "$work/n2/authority" ] || fail "n2 made an authority of its own"

echo "nodes carry members; one is lost and replaced, then the first is lost" >&2
end; pids=()
node m1 --cluster
for n in m2 m3; do node $n --join "$(url m1)" --token-file "$work/m1/token"; done
eventually "three nodes vote" says m1 '3 members of etcd: 1 may fail'
node m4 --join "$(url m1)" --token-file "$work/m1/token"
carries() { timeout 10 "$adp" node ls --data "$work/m1" 2>/dev/null | grep -q "^$1 .* voter "; }
carries m3 || fail "m3 carries no member"
killed "$pid_m3"
eventually "the loss of m3 is seen" says m1 '1 of them down'
lost() { timeout 10 "$adp" node ls --data "$work/m1" 2>/dev/null | grep -q "^$1 .*lost"; }
eventually "m3 is shown as lost" lost m3
if "$adp" run "$work/m3" --data "$work/m3" 2>m3.said; then fail "adp run is a node on the folder of m3"; fi
eventually "m4 takes its place" carries m4
eventually "three vote without m3" says m1 '3 members of etcd: 1 may fail'
node m3 --join http://nobody # it finds that it was replaced
eventually "m3 is back" says m3 '3 members of etcd: 1 may fail'
carries m3 && fail "m3 votes again"
killed "$pid_m1"
eventually "m2 goes on" says m2 '1 of them down'
kill -INT "$pid_m2"; wait "$pid_m2" || true
node m2 --join http://nobody
eventually "m2 is back, by way of its own member" says m2 '3 members of etcd, 1 of them down: no other may fail'
eventually "m3 sees it" says m3 '1 of them down'
