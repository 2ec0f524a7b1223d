package quality

// few is up to how many values a search in a list beats one in a map.
const few = 8

// set is the values that a rule lists.
type set[T comparable] struct {
	list []T
	many map[T]struct{} // nil while the list is short
}

func newSet[T comparable](values []T) set[T] {
	s := set[T]{list: values}
	if len(values) > few {
		s.many = make(map[T]struct{}, len(values))
		for _, v := range values {
			s.many[v] = struct{}{}
		}
	}
	return s
}

func (s set[T]) has(v T) bool {
	if s.many != nil {
		_, ok := s.many[v]
		return ok
	}
	for _, x := range s.list {
		if x == v {
			return true
		}
	}
	return false
}
