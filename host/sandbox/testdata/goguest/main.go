// Command goguest does what the setting "do" says when it flushes: what Go's runtime makes of it meets the sandbox.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	adp "github.com/adp-host/adp/guest-sdk/go"
)

func init() { adp.Register(product) }

func main() {}

var kept [][]byte

func depth(n int) int {
	if n == 0 {
		return 0
	}
	return depth(n-1) + 1
}

func endless(n int) int { return endless(n+1) + 1 }

func product(p *adp.Product) error {
	what, _ := p.Config("do")
	p.Ignore("in")
	p.OnFlush(func() error {
		switch what {
		case "keep":
			for {
				kept = append(kept, make([]byte, 1<<20))
			}
		case "recurse":
			p.Info(endless(0))
		case "deep":
			p.Info(depth(1500))
		case "nested":
			var v any
			return json.Unmarshal([]byte(strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), &v)
		case "index":
			var a []int
			p.Info(a[len(what)])
		case "deadlock":
			<-make(chan int)
		case "exit":
			fmt.Fprintln(os.Stderr, "enough of this")
			os.Exit(3)
		case "spin":
			for {
			}
		case "sleep":
			time.Sleep(time.Hour)
			p.Info(p.Now().Format("15:04"), time.Now().UTC().Format("15:04"))
		case "goroutines":
			sums := make(chan int)
			for i := range 100 {
				go func() {
					time.Sleep(time.Duration(100-i) * time.Millisecond)
					sums <- i
				}()
			}
			sum, last := 0, 0
			for range 100 {
				last = <-sums
				sum += last
			}
			p.Info(sum, last)
		case "random":
			p.Info(rand.Uint64(), len(os.Args), len(os.Environ()))
			for k := range map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5} {
				p.Info(k)
			}
		case "files":
			_, err := os.Open("/etc/passwd")
			return err
		}
		return nil
	})
	return nil
}
