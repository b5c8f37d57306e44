// Package settings reads a strict YAML file into any struct with yaml tags: unknown
// keys, types, ${NAME} from the environment and validate tags, and what has to be
// said when something is wrong, all in one go and each with its line and, where one
// can be told, a suggestion. Packages look at their own sections through Section.
//
// It knows no key, and acts on none.
package settings
