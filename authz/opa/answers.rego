# Answers of provided built-ins: input.a.d maps the call, as text, to {"value": …}, or to {} where
# it is undefined. A call without an answer is printed; it is answered and the policy runs again.
package tollhouse

import rego.v1

call0(name) := answer(sprintf("%v", [[name]]))

call1(name, a) := answer(sprintf("%v", [[name, a]]))

call2(name, a, b) := answer(sprintf("%v", [[name, a, b]]))

call3(name, a, b, c) := answer(sprintf("%v", [[name, a, b, c]]))

answer(key) := value if {
	value := input.a.d[key].value
}

answer(key) := value if {
	not input.a.d[key]
	print("call:", key)
	value := input.a.none
}

# concat: rego-cpp joins a set in the order of its insertion.
joined(separator, texts) := value if {
	is_array(texts)
	value := concat(separator, texts)
}

joined(separator, texts) := value if {
	is_set(texts)
	value := concat(separator, sort(texts))
}

# Comparisons: by OPA's order of types; of scalars of one type by rego-cpp, which has its own order
# of arrays, objects and sets.
ranks := {"null": 0, "boolean": 1, "number": 2, "string": 3, "array": 4, "object": 5, "set": 6}

scalars := {"null", "boolean", "number", "string"}

lt(a, b) := a < b if {
	type_name(a) == type_name(b)
	scalars[type_name(a)]
}

lt(a, b) := ranks[type_name(a)] < ranks[type_name(b)] if type_name(a) != type_name(b)

lt(a, b) := call2("comparison", a, b) if {
	type_name(a) == type_name(b)
	not scalars[type_name(a)]
}

lte(a, b) := a <= b if {
	type_name(a) == type_name(b)
	scalars[type_name(a)]
}

lte(a, b) := ranks[type_name(a)] < ranks[type_name(b)] if type_name(a) != type_name(b)

lte(a, b) := call2("comparison", a, b) if {
	type_name(a) == type_name(b)
	not scalars[type_name(a)]
}

gt(a, b) := a > b if {
	type_name(a) == type_name(b)
	scalars[type_name(a)]
}

gt(a, b) := ranks[type_name(a)] > ranks[type_name(b)] if type_name(a) != type_name(b)

gt(a, b) := call2("comparison", a, b) if {
	type_name(a) == type_name(b)
	not scalars[type_name(a)]
}

gte(a, b) := a >= b if {
	type_name(a) == type_name(b)
	scalars[type_name(a)]
}

gte(a, b) := ranks[type_name(a)] > ranks[type_name(b)] if type_name(a) != type_name(b)

gte(a, b) := call2("comparison", a, b) if {
	type_name(a) == type_name(b)
	not scalars[type_name(a)]
}

# max and min of scalars of one type by rego-cpp.
greatest(values) := max(values) if alike(values)

greatest(values) := call1("max", values) if not alike(values)

least(values) := min(values) if alike(values)

least(values) := call1("min", values) if not alike(values)

alike(values) if {
	types := {type_name(value) | some value in values}
	count(types) < 2
	count(types - scalars) == 0
}

# sum, product: rego-cpp gives false, which is less than any number, for what are not only numbers.
total(numbers) := value if {
	count([item | some item in numbers; not is_number(item)]) == 0
	value := sum(numbers)
}

multiplied(numbers) := value if {
	count([item | some item in numbers; not is_number(item)]) == 0
	value := product(numbers)
}
