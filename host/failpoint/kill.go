package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Kill has this process kill itself at named steps: "name" or "name:nth", separated by commas; "" names none. Nothing of
// the process is told, as by kill -9.
func Kill(list string) error {
	for _, item := range strings.Split(list, ",") {
		if item == "" {
			continue
		}
		name, count, found := strings.Cut(item, ":")
		nth := 1
		if found {
			var err error
			if nth, err = strconv.Atoi(count); err != nil || nth < 1 {
				return fmt.Errorf("%q is not name:nth", item)
			}
		}
		Arm(name, nth, die)
	}
	return nil
}

func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // until the signal arrives, nothing more may happen
}
