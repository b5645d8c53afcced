// The official Go SDK against the server: plays the scenario that the command line names, a method of Scenarios.
package main

import (
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
)

// Scenarios has what an application does with the SDK, and what it may rely on. Each method runs once in JSON and once
// in Protobuf, against a server of its own.
type Scenarios struct{}

// camel makes the name of a method from the name that a scenario has in all SDKs.
func camel(name string) string {
	var result strings.Builder
	for _, word := range strings.Split(name, "_") {
		result.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return result.String()
}

func main() {
	story := newStory(os.Getenv("GYRE_SCENARIO"))
	scenario := reflect.ValueOf(Scenarios{}).MethodByName(camel(os.Args[1]))
	if !scenario.IsValid() {
		panic("no scenario " + os.Args[1])
	}
	defer story.close()
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s\n%s", failure, debug.Stack(), story.history())
			os.Exit(1)
		}
	}()
	scenario.Call([]reflect.Value{reflect.ValueOf(story)})
}
