/* SPDX-License-Identifier: MIT */
/* Doubly linked list of nodes that live inside their owners: a ring through a head.
 *
 *   head <-> a <-> b <-> c <-> head
 *
 * A node that is in no list has next == NULL, so a zeroed owner starts outside, and removing a node
 * twice is harmless. A list must not be moved in memory while it has nodes. */
#ifndef TERN_BASE_LIST_H
#define TERN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/container.h" /* IWYU pragma: export */

struct tern_list_node {
  struct tern_list_node *prev;
  struct tern_list_node *next; /* NULL = in no list */
};

struct tern_list {
  struct tern_list_node head;
};

static inline void tern_list_init(struct tern_list *list)
{
  list->head.prev = &list->head;
  list->head.next = &list->head;
}

static inline bool tern_list_is_empty(const struct tern_list *list)
{
  return list->head.next == &list->head;
}

static inline bool tern_list_has_node(const struct tern_list_node *node)
{
  return node->next != NULL;
}

/* Puts `node`, which is in no list, before `at`. */
static inline void tern_list_insert_before(struct tern_list_node *at, struct tern_list_node *node)
{
  node->prev = at->prev;
  node->next = at;
  at->prev->next = node;
  at->prev = node;
}

static inline void tern_list_push_back(struct tern_list *list, struct tern_list_node *node)
{
  tern_list_insert_before(&list->head, node);
}

static inline void tern_list_push_front(struct tern_list *list, struct tern_list_node *node)
{
  tern_list_insert_before(list->head.next, node);
}

/* Quiet if `node` is in no list. */
static inline void tern_list_remove(struct tern_list_node *node)
{
  if (node->next == NULL)
    return;
  node->prev->next = node->next;
  node->next->prev = node->prev;
  node->prev = NULL;
  node->next = NULL;
}

/* The first or last node, or NULL. */
static inline struct tern_list_node *tern_list_first(const struct tern_list *list)
{
  return tern_list_is_empty(list) ? NULL : list->head.next;
}

static inline struct tern_list_node *tern_list_last(const struct tern_list *list)
{
  return tern_list_is_empty(list) ? NULL : list->head.prev;
}

/* The node after `node`, or NULL at the end. Take it before removing `node`. */
static inline struct tern_list_node *tern_list_next(const struct tern_list *list,
                                                    const struct tern_list_node *node)
{
  return node->next == &list->head ? NULL : node->next;
}

/* Takes the first node out; NULL if the list is empty. */
static inline struct tern_list_node *tern_list_pop_front(struct tern_list *list)
{
  struct tern_list_node *node = tern_list_first(list);
  if (node != NULL)
    tern_list_remove(node);
  return node;
}

/* Moves all nodes of `from` to the end of `to`. */
static inline void tern_list_append(struct tern_list *to, struct tern_list *from)
{
  if (tern_list_is_empty(from))
    return;
  from->head.next->prev = to->head.prev;
  to->head.prev->next = from->head.next;
  from->head.prev->next = &to->head;
  to->head.prev = from->head.prev;
  tern_list_init(from);
}

#endif
