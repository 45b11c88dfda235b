# expect: error
# after: slot-fresh; half a surrogate pair is an error of the job, never bytes that no client can read
# program: any; a script prints what it likes, and the driver refuses to read this as a value
output = {"\ud800": "\udfff"}
