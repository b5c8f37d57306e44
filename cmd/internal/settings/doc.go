// Package settings reads a strict YAML file into any struct with yaml tags: unknown
// keys, types, ${NAME} from the environment and validate tags. It reports all
// mistakes at once, each with its line and, where there is one, a suggestion. Packages look at their own sections through Section.
//
// It knows no key, and acts on none.
package settings
