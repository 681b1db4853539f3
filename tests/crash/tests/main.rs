//! A crash at each row of the table, one file a row; at every operation of a disk; and by a signal.

mod every_operation;
mod making;
mod row_1_before_the_block_is_durable;
mod row_2_after_the_block_before_dispatch;
mod row_3_inside_a_vault_transaction;
mod row_4_after_the_vaults_commit;
mod row_5_after_a_send;
mod row_6_before_the_ledger_is_pruned;
mod row_7_not_of_the_same_time;
mod sigkill;
