//go:build unix

package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/adp-host/adp/host/failpoint"
)

// victim is set for a process that kills itself.
const victim = "ADP_TEST_VICTIM"

func TestMain(m *testing.M) {
	list := os.Getenv(victim)
	if list == "" {
		os.Exit(m.Run())
	}
	if err := failpoint.Kill(list); err != nil {
		os.Exit(2)
	}
	for _, name := range []string{"a", "b", "a", "a"} {
		failpoint.Hit(name)
	}
	os.Exit(0)
}

func TestKill(t *testing.T) {
	for _, c := range []struct {
		list   string
		killed bool
		code   int
	}{{"a", true, 0}, {"a:3", true, 0}, {"c,b:1", true, 0}, {"a:4", false, 0}, {"c", false, 0}, {"a:0", false, 2}, {"a:x", false, 2}} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+c.list)
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() != c.killed || c.killed && status.Signal() != syscall.SIGKILL || !c.killed && status.ExitStatus() != c.code {
			t.Errorf("%s: %v", c.list, err)
		}
	}
}

func TestArm(t *testing.T) {
	hits := 0
	failpoint.Arm("a", 2, func() { hits++ })
	for range 4 {
		failpoint.Hit("a")
		failpoint.Hit("b")
	}
	if hits != 1 {
		t.Errorf("the second of four hits did it %d times", hits)
	}
	failpoint.Arm("a", 1, func() { hits++ })
	failpoint.Reset()
	failpoint.Hit("a")
	if hits != 1 {
		t.Error("it was not disarmed")
	}
}
