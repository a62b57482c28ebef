# optramimage is read into memory a page at a time: Bochs gives memory out in blocks as they are first used, not in order, and a file
# that is longer than one would otherwise lie where nobody finds it.
s/get_vector(offset), size)/get_vector(offset), size < 4096 ? size : 4096)/
