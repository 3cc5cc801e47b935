//! Sequences with a step in the wrong place, for the tests to catch.

use super::super::arch::sequence;

sequence! {
    /// The number is loaded before the sequence is armed: a thread may move in
    /// between.
    cpu_before_arming {
        arm:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            "lea {address}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {address}";
        restart:
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "inc qword ptr [{cpu} + {offset}]";
        done:
            "mov qword ptr fs:[{area} + 8], 0";
        with: address;
    }
}

sequence! {
    /// The number is loaded before the start: whoever interrupts the thread
    /// there finds it outside, and disarms the sequence that it then enters.
    cpu_before_start {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}"
            "mov {cpu:e}, dword ptr fs:[{area} + 4]";
        restart:
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "inc qword ptr [{cpu} + {offset}]";
        done:
            "mov qword ptr fs:[{area} + 8], 0";
    }
}

sequence! {
    /// The end comes before the increment.
    end_before_increment {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}";
        restart:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}";
        done:
            "inc qword ptr [{cpu} + {offset}]"
            "mov qword ptr fs:[{area} + 8], 0";
    }
}

sequence! {
    /// The end comes between the addition and the store of the sum.
    end_before_store {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}";
        restart:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "mov {sum}, qword ptr [{cpu} + {offset}]"
            "inc {sum}";
        done:
            "mov qword ptr [{cpu} + {offset}], {sum}"
            "mov qword ptr fs:[{area} + 8], 0";
        with: sum;
    }
}

sequence! {
    /// The end comes after another instruction than the increment: the kernel
    /// undoes what has taken effect, and it is done twice.
    end_after_increment {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}";
        restart:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "inc qword ptr [{cpu} + {offset}]"
            "mov qword ptr fs:[{area} + 8], 0";
        done:;
    }
}

sequence! {
    /// The word is not cleared.
    left_armed {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}";
        restart:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "inc qword ptr [{cpu} + {offset}]";
        done:;
    }
}
